"""Chat templates in the manner of many model families: their formats and the features of the language that they use,
written anew. FAMILIES maps names to templates."""

FAMILIES = {}

# Turns between marks, the commonest format, with what families add to it.
FAMILIES["chatml"] = """{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"""
FAMILIES["chatml-default-system"] = """{% for m in messages -%}
{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are helpful.<|im_end|>\n' }}{% endif %}
{{- '<|im_start|>' ~ m.role ~ '\n' ~ (m.content | trim) ~ '<|im_end|>' }}
{% endfor %}
{%- if add_generation_prompt -%}
<|im_start|>assistant
{% endif %}"""
FAMILIES["qwen-tools"] = """{%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- if messages[0].role == 'system' %}{{- messages[0].content + '\n\n' }}{%- else %}{{- 'Be of use.\n\n' }}{%- endif %}
    {{- "# Tools\n\nFunctions, one a line:\n<tools>" }}
    {%- for tool in tools %}{{- "\n" }}{{- tool | tojson }}{%- endfor %}
    {{- "\n</tools><|im_end|>\n" }}
{%- elif messages[0].role == 'system' %}
    {{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' + message.role }}
        {%- if message.content %}{{- '\n' + message.content }}{%- endif %}
        {%- for tool_call in message.tool_calls %}
            {%- if tool_call.function is defined %}{%- set tool_call = tool_call.function %}{%- endif %}
            {{- '\n<tool_call>\n{"name": "' }}{{- tool_call.name }}{{- '", "arguments": ' }}{{- tool_call.arguments | tojson }}{{- '}\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\n' }}
    {%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}{{- '<|im_start|>user' }}{%- endif %}
        {{- '\n<tool_response>\n' }}{{- message.content }}{{- '\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}{{- '<|im_end|>\n' }}{%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"""
FAMILIES["qwen-thinking"] = """{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}{%- set content = message.content %}{%- else %}{%- set content = '' %}{%- endif %}
    {%- if message.role == "assistant" %}
        {%- set reasoning_content = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning_content = message.reasoning_content %}
        {%- else %}
            {%- if '</think>' in content %}
                {%- set reasoning_content = content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}
                {%- set content = content.split('</think>')[-1].lstrip('\n') %}
            {%- endif %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query_index and (loop.last or (not loop.last and reasoning_content)) %}
            {{- '<|im_start|>' + message.role + '\n<think>\n' + reasoning_content.strip('\n') + '\n</think>\n\n' + content.lstrip('\n') }}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\n' + content }}
        {%- endif %}
        {{- '<|im_end|>\n' }}
    {%- else %}
        {{- '<|im_start|>' + message.role + '\n' + content + '<|im_end|>' + '\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\n\n</think>\n\n' }}{%- endif %}
{%- endif %}"""
FAMILIES["qwen-coder"] = """{% macro item_list(items, tag='item', wrap=True) %}{% if items is defined and items is iterable and items | length > 0 %}{% if wrap %}
<{{ tag }}s>{% endif %}{% for i in items %}
<{{ tag }}>`{{ i }}`</{{ tag }}>{% endfor %}{% if wrap %}
</{{ tag }}s>{% endif %}{% endif %}{% endmacro %}
{%- if tools is iterable and tools | length > 0 %}
{%- for tool in tools %}{%- if tool.function is defined %}{%- set tool = tool.function %}{%- endif %}
{{- '\n<function>\n<name>' ~ tool.name ~ '</name>' }}
{%- for name, fields in tool.parameters.properties | items %}
{{- '\n<parameter>\n<name>' ~ name ~ '</name>' }}
{%- if fields.type is defined %}{{- '\n<type>' ~ (fields.type | string) ~ '</type>' }}{%- endif %}
{{- item_list(fields.enum, 'enum') }}
{%- for key in fields.keys() | reject('in', ['type', 'enum']) %}{{- '\n<' ~ (key | replace("-", "_")) ~ '>' }}
{%- if fields[key] is mapping %}{{- fields[key] | tojson | safe }}{%- else %}{{- fields[key] | string }}{%- endif %}{{- '</' ~ key ~ '>' }}{%- endfor %}
{{- '\n</parameter>' }}
{%- endfor %}
{{- item_list(tool.parameters.required, tag='required', wrap=False) }}{{- '\n</function>' }}
{%- endfor %}{%- endif %}
{%- for m in messages %}
{{- '\n<|im_start|>' ~ m.role ~ '\n' }}{% if m.content is string and m.content | trim | length > 0 %}{{ m.content | trim }}{% endif %}
{%- for c in m.tool_calls or [] %}{{- '\n<function=' ~ c.function.name ~ '>\n' }}
{%- if c.function.arguments is mapping %}{%- for k, v in c.function.arguments | items %}{{- '<parameter=' ~ k ~ '>\n' }}{%- set v = v if v is string else v | string %}{{- v ~ '\n</parameter>\n' }}{%- endfor %}{%- endif %}{{- '</function>' }}{%- endfor %}
{{- '<|im_end|>' }}
{%- endfor %}{% if add_generation_prompt %}{{ '\n<|im_start|>assistant\n' }}{% endif %}"""
FAMILIES["hermes"] = """{%- macro to_python_type(spec) %}
{%- set basic = {"string": "str", "number": "float", "integer": "int", "boolean": "bool"} %}
{%- if basic[spec.type] is defined %}{{- basic[spec.type] }}
{%- elif spec.type == "array" and spec['items'] is defined %}{{- "list[" + to_python_type(spec['items']) + "]" }}
{%- elif spec.type == "object" %}{%- if spec.additionalProperties is defined %}{{- "dict[str, " + to_python_type(spec.additionalProperties) + "]" }}{%- else %}{{- "dict" }}{%- endif %}
{%- elif spec.type is iterable and spec.type is not string %}{{- "Union[" }}{%- for t in spec.type %}{{- to_python_type({"type": t}) }}{%- if not loop.last %}{{- "," }}{%- endif %}{%- endfor %}{{- "]" }}
{%- else %}{{- "Any" }}{%- endif %}
{%- endmacro %}
{{- bos_token }}{{- '<|im_start|>system\n' }}
{%- for tool in tools or [] %}{%- set f = tool.function %}
{{- '{"type": "function", "function": {"name": "' + f.name + '", "description": "' + f.name + '(' }}
{%- for p, spec in f.parameters.properties | items %}{{- p + ": " + to_python_type(spec) }}{%- if not loop.last %}{{- ", " }}{%- endif %}{%- endfor %}
{{- ') - ' + f.description + '\n    Args:\n' }}
{%- for p, spec in f.parameters.properties | items %}{{- "        " + p + "(" + to_python_type(spec) + "): " + spec.description|trim + "\n" }}{%- endfor %}
{{- '", "parameters": ' }}
{%- if f.parameters.properties | length == 0 %}{{- "{}" }}{%- else %}{{- f.parameters | tojson }}{%- endif %}{{- "}}" }}{%- if not loop.last %}{{- "\n" }}{%- endif %}
{%- endfor %}{{- '<|im_end|>\n' }}
{%- for m in messages %}
{%- if m.role == "tool" %}
{%- if loop.previtem and loop.previtem.role != "tool" %}{{- '<|im_start|>tool\n' }}{%- endif %}
{{- '<tool_response>\n' }}{{- m.content }}{%- if not loop.last %}{{- '\n</tool_response>\n' }}{%- else %}{{- '\n</tool_response>' }}{%- endif %}
{%- if not loop.last and loop.nextitem.role != "tool" %}{{- '<|im_end|>' }}{%- elif loop.last %}{{- '<|im_end|>' }}{%- endif %}
{%- elif m.tool_calls %}
{{- '<|im_start|>' + m.role }}{%- for c in m.tool_calls %}{{- '\n<tool_call>\n' }}{{- {"name": c.function.name, "arguments": c.function.arguments} | tojson }}{{- '\n</tool_call>' }}{%- endfor %}{{- '<|im_end|>\n' }}
{%- else %}{{- '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>' + '\n' }}{%- endif %}
{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"""
FAMILIES["smollm3"] = """{%- set reasoning_mode = "/think" -%}
{%- if enable_thinking is defined -%}{%- set reasoning_mode = "/think" if enable_thinking else "/no_think" -%}{%- endif -%}
{%- if messages[0].role == "system" -%}
{%- set system_message = messages[0].content -%}
{%- if "/no_think" in system_message -%}{%- set reasoning_mode = "/no_think" -%}{%- endif -%}
{%- set custom = system_message.replace("/no_think", "").replace("/think", "").rstrip() -%}
{%- endif -%}
{{- "<|im_start|>system\n" -}}{{- "## Metadata\n\n" -}}
{%- set today = strftime_now("%d %B %Y") -%}{{- "Today Date: " ~ today ~ "\n" -}}{{- "Reasoning Mode: " + reasoning_mode + "\n\n" -}}
{%- if custom -%}{{- custom + "\n\n" -}}{%- endif -%}
{{- "<|im_end|>\n" -}}
{%- for m in messages -%}
{%- set content = m.content if m.content is string else "" -%}
{%- if m.role == "user" -%}{{ "<|im_start|>" + m.role + "\n" + content + "<|im_end|>\n" }}
{%- elif m.role == "assistant" -%}
{% generation %}{%- if reasoning_mode == "/think" -%}{{ "<|im_start|>assistant\n" + content.lstrip("\n") + "<|im_end|>\n" }}{%- else -%}{{ "<|im_start|>assistant\n" + "<think>\n\n</think>\n" + content.lstrip("\n") + "<|im_end|>\n" }}{%- endif -%}{% endgeneration %}
{%- elif m.role == "tool" -%}{{ "<|im_start|>" + "user\n" + content + "<|im_end|>\n" }}{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{%- if reasoning_mode == "/think" -%}{{ "<|im_start|>assistant\n" }}{%- else -%}{{ "<|im_start|>assistant\n" + "<think>\n\n</think>\n" }}{%- endif -%}{%- endif -%}"""
for name, start, end, stop in (("yi", "<|im_start|>", "\n", "<|im_end|>\n"), ("phi3", "<|", "|>\n", "<|end|>\n"), ("zephyr", "<|", "|>\n", "</s>\n"),
                               ("tulu", "<|", "|>\n", "\n"), ("exaone", "[|", "|]", "[|endofturn|]\n"), ("falcon", "", ": ", "\n"),
                               ("phi4", "<|im_start|>", "<|im_sep|>", "<|im_end|>"), ("orca", "### ", ":\n", "\n\n")):
    FAMILIES[name] = """{%% for message in messages %%}{%% if message['role'] in ['system', 'user', 'assistant'] %%}{{ %r + message['role'] + %r + message['content'] + %r }}{%% else %%}{{ raise_exception('Unknown role: ' + message['role']) }}{%% endif %%}{%% if loop.last and add_generation_prompt %%}{{ %r + 'assistant' + %r }}{%% endif %%}{%% endfor %%}""" % (start, end, stop, start, end)

# Instructions in brackets; users and assistants must take turns.
FAMILIES["llama2"] = """{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"""
FAMILIES["mistral"] = """{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate!') }}{% endif %}{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token}}{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}"""
FAMILIES["mixtral"] = """{%- if messages[0]["role"] == "system" %}{%- set system_message = messages[0]["content"] %}{%- set loop_messages = messages[1:] %}{%- else %}{%- set loop_messages = messages %}{%- endif %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}{%- if loop.first and system_message is defined %}{{- " [INST] " + system_message + "\n\n" + message["content"] + " [/INST]" }}{%- else %}{{- " [INST] " + message["content"] + " [/INST]" }}{%- endif %}
    {%- elif message["role"] == "assistant" %}{{- " " + message["content"] + eos_token}}
    {%- else %}{{- raise_exception("Only user and assistant roles are supported, with the exception of an initial optional system message!") }}{%- endif %}
{%- endfor %}"""
FAMILIES["mistral-tools"] = """{%- if messages[0]["role"] == "system" %}{%- set system_message = messages[0]["content"] %}{%- set loop_messages = messages[1:] %}{%- else %}{%- set loop_messages = messages %}{%- endif %}
{%- if not tools is defined %}{%- set tools = none %}{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}
{%- set ns = namespace(index=0) %}
{%- for message in loop_messages %}
    {%- if not (message.role == "tool" or message.role == "tool_results" or (message.tool_calls is defined and message.tool_calls is not none)) %}
        {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}{{- raise_exception("After the optional system message, conversation roles must alternate user/assistant/user/assistant/...") }}{%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if tools is not none and (message == user_messages[-1]) %}
            {{- "[AVAILABLE_TOOLS] [" }}
            {%- for tool in tools %}{%- set tool = tool.function %}{{- '{"type": "function", "function": {' }}
                {%- for key, val in tool.items() if key != "return" %}{%- if val is string %}{{- '"' + key + '": "' + val + '"' }}{%- else %}{{- '"' + key + '": ' + val|tojson }}{%- endif %}{%- if not loop.last %}{{- ", " }}{%- endif %}{%- endfor %}
                {{- "}}" }}{%- if not loop.last %}{{- ", " }}{%- else %}{{- "]" }}{%- endif %}
            {%- endfor %}{{- "[/AVAILABLE_TOOLS]" }}
        {%- endif %}
        {%- if loop.last and system_message is defined %}{{- "[INST] " + system_message + "\n\n" + message["content"] + "[/INST]" }}{%- else %}{{- "[INST] " + message["content"] + "[/INST]" }}{%- endif %}
    {%- elif message.tool_calls is defined and message.tool_calls is not none %}
        {{- "[TOOL_CALLS] [" }}
        {%- for tool_call in message.tool_calls %}{%- set out = tool_call.function|tojson %}{{- out[:-1] }}
            {%- if not tool_call.id is defined or tool_call.id|length != 9 %}{{- raise_exception("Tool call IDs should be alphanumeric strings with length 9!") }}{%- endif %}
            {{- ', "id": "' + tool_call.id + '"}' }}{%- if not loop.last %}{{- ", " }}{%- else %}{{- "]" + eos_token }}{%- endif %}
        {%- endfor %}
    {%- elif message["role"] == "assistant" %}{{- " " + message["content"]|trim + eos_token}}
    {%- elif message["role"] == "tool_results" or message["role"] == "tool" %}
        {%- if message.content is defined and message.content.content is defined %}{%- set content = message.content.content %}{%- else %}{%- set content = message.content %}{%- endif %}
        {{- '[TOOL_RESULTS] {"content": ' + content|string + ", " }}
        {%- if not message.tool_call_id is defined or message.tool_call_id|length != 9 %}{{- raise_exception("Tool call IDs should be alphanumeric strings with length 9!") }}{%- endif %}
        {{- '"call_id": "' + message.tool_call_id + '"}[/TOOL_RESULTS]' }}
    {%- else %}{{- raise_exception("Only user and assistant roles are supported, with the exception of an initial optional system message!") }}{%- endif %}
{%- endfor %}"""
FAMILIES["mistral-small"] = """{%- set today = strftime_now("%Y-%m-%d") %}
{%- set default_system_message = "You are an assistant.\\nThe current date is " + today + "." %}
{{- bos_token }}
{%- if messages[0]['role'] == 'system' %}
    {%- if messages[0]['content'] is string %}{%- set system_message = messages[0]['content'] %}{%- else %}{%- set system_message = messages[0]['content'][0]['text'] %}{%- endif %}
    {%- set loop_messages = messages[1:] %}
{%- else %}{%- set system_message = default_system_message %}{%- set loop_messages = messages %}{%- endif %}
{{- '[SYSTEM_PROMPT]' + system_message + '[/SYSTEM_PROMPT]' }}
{%- for message in loop_messages %}
    {%- if message['role'] == 'user' %}
        {%- if message['content'] is string %}{{- '[INST]' + message['content'] + '[/INST]' }}
        {%- else %}{{- '[INST]' }}{%- for block in message['content'] %}{%- if block['type'] == 'text' %}{{- block['text'] }}{%- elif block['type'] in ['image', 'image_url'] %}{{- '[IMG]' }}{%- else %}{{- raise_exception('Only text and image blocks are supported in message content!') }}{%- endif %}{%- endfor %}{{- '[/INST]' }}{%- endif %}
    {%- elif message['role'] == 'system' %}{{- '[SYSTEM_PROMPT]' ~ message['content'] ~ '[/SYSTEM_PROMPT]' }}
    {%- elif message['role'] == 'assistant' %}{%- if message['content'] is string %}{{- message['content'] + eos_token }}{%- else %}{{- message['content'][0]['text'] + eos_token }}{%- endif %}
    {%- else %}{{- raise_exception('Only user, system and assistant roles are supported!') }}{%- endif %}
{%- endfor %}"""

# Headers.
FAMILIES["llama3"] = """{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"""
FAMILIES["llama31"] = """{{- bos_token }}
{%- if custom_tools is defined %}{%- set tools = custom_tools %}{%- endif %}
{%- if not tools_in_user_message is defined %}{%- set tools_in_user_message = true %}{%- endif %}
{%- if not date_string is defined %}{%- if strftime_now is defined %}{%- set date_string = strftime_now("%d %b %Y") %}{%- else %}{%- set date_string = "26 Jul 2024" %}{%- endif %}{%- endif %}
{%- if not tools is defined %}{%- set tools = none %}{%- endif %}
{%- if messages[0]['role'] == 'system' %}{%- set system_message = messages[0]['content']|trim %}{%- set messages = messages[1:] %}{%- else %}{%- set system_message = "" %}{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\n\n" }}
{%- if builtin_tools is defined or tools is not none %}{{- "Environment: ipython\n" }}{%- endif %}
{%- if builtin_tools is defined %}{{- "Tools: " + builtin_tools | reject('equalto', 'code_interpreter') | join(", ") + "\n\n"}}{%- endif %}
{{- "Today Date: " + date_string + "\n\n" }}
{{- system_message }}{{- "<|eot_id|>" }}
{%- if tools_in_user_message and not tools is none %}
    {%- if messages | length != 0 %}{%- set first_user_message = messages[0]['content']|trim %}{%- set messages = messages[1:] %}
    {%- else %}{{- raise_exception("Cannot put tools in the first user message when there's no first user message!") }}{%- endif %}
    {{- '<|start_header_id|>user<|end_header_id|>\n\n' -}}{{- "Use a function.\n\n" }}
    {%- for t in tools %}{{- t | tojson(indent=4) }}{{- "\n\n" }}{%- endfor %}
    {{- first_user_message + "<|eot_id|>"}}
{%- endif %}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}{{- raise_exception("This model only supports single tool-calls at once!") }}{%- endif %}
        {%- set tool_call = message.tool_calls[0].function %}
        {%- if builtin_tools is defined and tool_call.name in builtin_tools %}
            {{- "<|python_tag|>" + tool_call.name + ".call(" }}{%- for arg_name, arg_val in tool_call.arguments | items %}{{- arg_name + '="' + arg_val + '"' }}{%- if not loop.last %}{{- ", " }}{%- endif %}{%- endfor %}{{- ")" }}
        {%- else %}
            {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' -}}{{- '{"name": "' + tool_call.name + '", ' }}{{- '"parameters": ' }}{{- tool_call.arguments | tojson }}{{- "}" }}
        {%- endif %}
        {{- "<|eot_id|>" }}
    {%- elif message.role == "tool" or message.role == "ipython" %}
        {{- "<|start_header_id|>ipython<|end_header_id|>\n\n" }}
        {%- if message.content is mapping or message.content is iterable %}{{- message.content | tojson }}{%- else %}{{- message.content }}{%- endif %}
        {{- "<|eot_id|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{%- endif %}"""
FAMILIES["gemma"] = """{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}"""
FAMILIES["gemma3"] = """{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- if messages[0]['content'] is string -%}{%- set first_user_prefix = messages[0]['content'] + '\n\n' -%}{%- else -%}{%- set first_user_prefix = messages[0]['content'][0]['text'] + '\n\n' -%}{%- endif -%}
    {%- set loop_messages = messages[1:] -%}
{%- else -%}{%- set first_user_prefix = "" -%}{%- set loop_messages = messages -%}{%- endif -%}
{%- for message in loop_messages -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}{{ raise_exception("Conversation roles must alternate user/assistant/user/assistant/...") }}{%- endif -%}
    {%- if (message['role'] == 'assistant') -%}{%- set role = "model" -%}{%- else -%}{%- set role = message['role'] -%}{%- endif -%}
    {{ '<start_of_turn>' + role + '\n' + (first_user_prefix if loop.first else "") }}
    {%- if message['content'] is string -%}{{ message['content'] | trim }}
    {%- elif message['content'] is iterable -%}{%- for item in message['content'] -%}{%- if item['type'] == 'image' -%}{{ '<start_of_image>' }}{%- elif item['type'] == 'text' -%}{{ item['text'] | trim }}{%- endif -%}{%- endfor -%}
    {%- else -%}{{ raise_exception("Invalid content type") }}{%- endif -%}
    {{ '<end_of_turn>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{'<start_of_turn>model\n'}}{%- endif -%}"""
FAMILIES["granite"] = """{%- if messages[0]['role'] == 'system' %}{%- set system_message = messages[0]['content'] %}{%- set loop_messages = messages[1:] %}
{%- else %}{%- set system_message = "Knowledge Cutoff Date: April 2024.\nToday's Date: " + strftime_now('%B %d, %Y') + "." %}{%- if tools and documents %}{%- set system_message = system_message + " Tools and documents." %}{%- elif tools %}{%- set system_message = system_message + " Tools." %}{%- elif documents %}{%- set system_message = system_message + " Documents." %}{%- endif %}{%- set loop_messages = messages %}{%- endif %}
{{- '<|start_of_role|>system<|end_of_role|>' + system_message + '<|end_of_text|>\n' }}
{%- if tools %}{{- '<|start_of_role|>tools<|end_of_role|>' }}{{- tools | tojson(indent=4) }}{{- '<|end_of_text|>\n' }}{%- endif %}
{%- if documents %}{{- '<|start_of_role|>documents<|end_of_role|>' }}{%- for document in documents %}{{- 'Document ' + loop.index0 | string + '\n' }}{{- document['text'] }}{%- if not loop.last %}{{- '\n\n'}}{%- endif%}{%- endfor %}{{- '<|end_of_text|>\n' }}{%- endif %}
{%- for message in loop_messages %}{{- '<|start_of_role|>' + message['role'] + '<|end_of_role|>' + message['content'] + '<|end_of_text|>\n' }}
{%- if loop.last and add_generation_prompt %}{{- '<|start_of_role|>assistant' }}{%- if controls %}{{- ' ' + controls | tojson()}}{%- endif %}{{- '<|end_of_role|>' }}{%- endif %}{%- endfor %}"""

# Reasoning.
FAMILIES["deepseek"] = """{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}{{ 'User: ' + message['content'] + '\n\n' }}{% elif message['role'] == 'assistant' %}{{ 'Assistant: ' + message['content'] + eos_token }}{% elif message['role'] == 'system' %}{{ message['content'] + '\n\n' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"""
FAMILIES["deepseek-r1"] = """{% set ns = namespace(is_first=false, is_tool=false, is_output_first=true, system_prompt='') %}{%- for message in messages %}{%- if message['role'] == 'system' %}{% set ns.system_prompt = message['content'] %}{%- endif %}{%- endfor %}{{bos_token}}{{ns.system_prompt}}{%- for message in messages %}{%- if message['role'] == 'user' %}{%- set ns.is_tool = false -%}{{'<|User|>' + message['content']}}{%- endif %}{%- if message['role'] == 'assistant' and message['content'] is none %}{%- set ns.is_tool = false -%}none{%- endif %}{%- if message['role'] == 'assistant' and message.tool_calls %}{%- for tool in message['tool_calls']%}{%- if not ns.is_first %}{{'<|Assistant|><|calls|><|call|>' + tool['type'] + '<|sep|>' + tool['function']['name'] + '\n' + '```json' + '\n' + tool['function']['arguments'] + '\n' + '```' + '<|call_end|>'}}{%- set ns.is_first = true -%}{%- else %}{{'\n' + '<|call|>' + tool['type']}}{%- endif %}{%- endfor %}{%- elif message['role'] == 'assistant' %}{%- if ns.is_tool %}{{'<|outputs_end|>' + message['content'] + '<|eos|>'}}{%- set ns.is_tool = false -%}{%- else %}{% set content = message['content'] %}{% if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}{{'<|Assistant|>' + content + '<|eos|>'}}{%- endif %}{%- endif %}{%- if message['role'] == 'tool' %}{%- set ns.is_tool = true -%}{%- if ns.is_output_first %}{{'<|outputs|><|output|>' + message['content'] + '<|output_end|>'}}{%- set ns.is_output_first = false %}{%- else %}{{'\n<|output|>' + message['content'] + '<|output_end|>'}}{%- endif %}{%- endif %}{%- endfor -%}{% if ns.is_tool %}{{'<|outputs_end|>'}}{% endif %}{% if add_generation_prompt and not ns.is_tool %}{{'<|Assistant|><think>\n'}}{% endif %}"""
FAMILIES["glm4"] = """[gMASK]<sop>{%- if tools -%}<|system|>
# Tools
{% for tool in tools %}{{ tool | tojson(ensure_ascii=False) }}
{% endfor %}{%- endif -%}
{%- macro visible_text(content) -%}{%- if content is string -%}{{- content }}{%- elif content is iterable and content is not mapping -%}{%- for item in content -%}{%- if item is mapping and item.type == 'text' -%}{{- item.text }}{%- elif item is string -%}{{- item }}{%- endif -%}{%- endfor -%}{%- else -%}{{- content }}{%- endif -%}{%- endmacro -%}
{%- set ns = namespace(last_user_index=-1) %}{%- for m in messages %}{%- if m.role == 'user' %}{% set ns.last_user_index = loop.index0 -%}{%- endif %}{%- endfor %}
{% for m in messages %}
{%- if m.role == 'user' -%}<|user|>
{{ visible_text(m.content) }}{{- '/nothink' if (enable_thinking is defined and not enable_thinking and not visible_text(m.content).endswith("/nothink")) else '' -}}
{%- elif m.role == 'assistant' -%}<|assistant|>
{%- set reasoning_content = '' %}{%- set content = visible_text(m.content) %}
{%- if m.reasoning_content is string %}{%- set reasoning_content = m.reasoning_content %}{%- elif '</think>' in content %}{%- set reasoning_content = content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}{%- set content = content.split('</think>')[-1].lstrip('\n') %}{%- endif %}
{%- if loop.index0 > ns.last_user_index and reasoning_content -%}{{ '\n<think>' + reasoning_content.strip() +  '</think>'}}{%- else -%}{{ '\n<think></think>' }}{%- endif -%}
{%- if content.strip() -%}{{ '\n' + content.strip() }}{%- endif -%}
{% if m.tool_calls %}{% for tc in m.tool_calls %}{%- if tc.function %}{%- set tc = tc.function %}{%- endif %}{{ '\n<tool_call>' + tc.name }}
{% set _args = tc.arguments %}{% if _args is mapping %}{% for k, v in _args.items() %}<arg_key>{{ k }}</arg_key>
<arg_value>{{ v | tojson(ensure_ascii=False) if v is not string else v }}</arg_value>
{% endfor %}{% endif %}</tool_call>{% endfor %}{% endif %}
{%- elif m.role == 'tool' -%}{%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}{{- '<|observation|>' }}{%- endif %}{{- '\n<tool_response>\n' }}{{- m.content }}{{- '\n</tool_response>' }}
{%- elif m.role == 'system' -%}<|system|>
{{ visible_text(m.content) }}{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}<|assistant|>{{- '\n<think></think>' if (enable_thinking is defined and not enable_thinking) else '' -}}{%- endif -%}"""
FAMILIES["harmony"] = """{%- macro render_type(spec, is_nullable=false) -%}
{%- if spec.type == "array" -%}{%- if spec['items'] -%}{{- render_type(spec['items']) + "[]" }}{%- else -%}{{- "any[]" }}{%- endif -%}
{%- elif spec.oneOf is defined -%}{{- spec.oneOf | map(attribute="type") | join(" | ") }}
{%- elif spec.type == "string" -%}{%- if spec.enum -%}{{- '"' + spec.enum|join('" | "') + '"' -}}{%- else -%}{{- "string" }}{%- endif -%}{%- if spec.nullable -%}{{- " | null" }}{%- endif -%}
{%- elif spec.type in ("number", "integer") -%}{{- "number" }}
{%- elif spec.type == "object" -%}{%- if spec.properties -%}{{- "{\n" }}{%- for n, s in spec.properties.items() -%}{{- n -}}{%- if n not in (spec.required or []) -%}{{- "?" }}{%- endif -%}{{- ": " }}{{ render_type(s) }}{%- if not loop.last -%}{{-", " }}{%- endif -%}{%- endfor -%}{{- "}" }}{%- else -%}{{- "object" }}{%- endif -%}
{%- else -%}{{- spec.type or "any" }}{%- endif -%}
{%- endmacro -%}
{%- macro render_tools(name, tools) -%}
{{- "## " + name + "\n\n" }}{{- "namespace " + name + " {\n\n" }}
{%- for tool in tools %}{%- set tool = tool.function %}{{- "// " + tool.description + "\n" }}{{- "type "+ tool.name + " = " }}
{%- if tool.parameters and tool.parameters.properties %}{{- "(_: {\n" }}
{%- for n, s in tool.parameters.properties.items() %}{%- if s.description %}{{- "// " + s.description + "\n" }}{%- endif %}{{- n }}{%- if n not in (tool.parameters.required or []) -%}{{- "?" }}{%- endif -%}{{- ": " }}{{- render_type(s) }}
{%- if s.default is defined -%}{%- if s.enum %}{{- ", // default: " + (s.default | string) }}{%- else %}{{- ", // default: " ~ (s.default | tojson) }}{%- endif -%}{%- else %}{{- ",\n" }}{%- endif -%}
{%- endfor %}{{- "}) => any;\n\n" }}{%- else -%}{{- "() => any;\n\n" }}{%- endif -%}
{%- endfor %}{{- "} // namespace " + name }}
{%- endmacro -%}
{{- "<|start|>system<|message|>" }}{{- "Current date: " + strftime_now("%Y-%m-%d") + "\n\n" }}{{- "Reasoning: " + (reasoning_effort or "medium") }}{{- "<|end|>" }}
{%- if messages[0].role == "developer" or messages[0].role == "system" %}{%- set developer_message = messages[0].content %}{%- set loop_messages = messages[1:] %}{%- else %}{%- set developer_message = "" %}{%- set loop_messages = messages %}{%- endif %}
{%- if developer_message or tools %}{{- "<|start|>developer<|message|>" }}{%- if developer_message %}{{- "# Instructions\n\n" }}{{- developer_message }}{%- endif -%}{%- if tools %}{{- "\n\n" }}{{- "# Tools\n\n" }}{{- render_tools("functions", tools) }}{%- endif -%}{{- "<|end|>" }}{%- endif %}
{%- set last_tool_call = namespace(name=none) %}
{%- for message in loop_messages -%}
{%- if message.role == 'assistant' -%}
{%- if "content" in message and message.content is string %}{%- if "<|channel|>analysis" in message.content %}{{- raise_exception("Leave the tags out.") }}{%- endif %}{%- endif %}
{%- if "tool_calls" in message %}
{%- set future = namespace(found=false) %}{%- for later in loop_messages[loop.index:] %}{%- if later.role == 'assistant' and "tool_calls" not in later %}{%- set future.found = true %}{%- endif %}{%- endfor %}
{%- if message.content and message.thinking %}{{- raise_exception("Cannot pass both content and thinking in an assistant message with tool calls!") }}{%- elif message.content and not future.found %}{{- "<|start|>assistant<|channel|>analysis<|message|>" + message.content + "<|end|>" }}{%- endif %}
{%- set tool_call = message.tool_calls[0] %}{%- if tool_call.function %}{%- set tool_call = tool_call.function %}{%- endif %}
{{- "<|start|>assistant to=functions." + tool_call.name + "<|channel|>commentary " }}{{- (tool_call.content_type if tool_call.content_type is defined else "json") + "<|message|>" }}{{- tool_call.arguments|tojson }}{{- "<|call|>" }}
{%- set last_tool_call.name = tool_call.name %}
{%- elif loop.last and not add_generation_prompt %}{%- if "thinking" in message %}{{- "<|start|>assistant<|channel|>analysis<|message|>" + message.thinking + "<|end|>" }}{%- endif %}{{- "<|start|>assistant<|channel|>final<|message|>" + message.content + "<|return|>" }}
{%- else %}{{- "<|start|>assistant<|channel|>final<|message|>" + message.content + "<|end|>" }}{%- set last_tool_call.name = none %}{%- endif %}
{%- elif message.role == 'tool' -%}{%- if last_tool_call.name is none %}{{- raise_exception("Message has tool role, but there was no previous assistant message with a tool call!") }}{%- endif %}{{- "<|start|>functions." + last_tool_call.name }}{{- " to=assistant<|channel|>commentary<|message|>" + message.content|tojson + "<|end|>" }}
{%- elif message.role == 'user' -%}{{- "<|start|>user<|message|>" + message.content + "<|end|>" }}{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}<|start|>assistant{%- endif -%}"""

# Documents and citations.
FAMILIES["command-r"] = """{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% elif false == true %}{% set loop_messages = messages %}{% set system_message = 'none' %}{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% if system_message != false %}{{ '<|START|><|SYSTEM|>' + system_message + '<|END|>' }}{% endif %}{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% set content = message['content'] %}{% if message['role'] == 'user' %}{{ '<|START|><|USER|>' + content.strip() + '<|END|>' }}{% elif message['role'] == 'assistant' %}{{ '<|START|><|BOT|>'  + content.strip() + '<|END|>' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|START|><|BOT|>' }}{% endif %}"""
FAMILIES["command-r-rag"] = """{{ bos_token }}{% set loop_messages = messages %}{{ '<|SYSTEM|># Preamble' }}
{%- for message in loop_messages %}{%- set content = message['content'] %}
{%- if message['role'] == 'user' %}{{ '<|START|><|USER|>' + content.strip() + '<|END|>' }}{%- elif message['role'] == 'system' %}{{ '<|START|><|SYSTEM|>' + content.strip() + '<|END|>' }}{%- elif message['role'] == 'assistant' %}{{ '<|START|><|BOT|>'  + content.strip() + '<|END|>' }}{%- endif %}
{%- endfor %}
{{- '<|START|><|SYSTEM|><results>' }}
{%- for document in documents or [] %}
{{ 'Document: ' }}{{ loop.index0 }}
{% for key, value in document.items() %}{{ key }}: {{value}}
{% endfor %}{%- endfor %}
{{- '</results><|END|>' }}{{- 'First the numbers, ' }}
{%- if citation_mode == 'accurate' %}{{ 'then the cited answer.' }}{% elif citation_mode == 'fast' %}{{ 'then quickly.' }}{% else %}{{ 'then.' }}{% endif %}
{%- if add_generation_prompt %}{{ '<|START|><|BOT|>' }}{% endif %}"""
FAMILIES["command-r-tools"] = """{%- macro json_to_python_type(param_name, spec) %}{%- set basic = {'string': 'str', 'number': 'float', 'integer': 'int', 'boolean': 'bool'} %}{%- if param_name in basic %}{{ basic[param_name] }}{%- elif param_name == 'array' %}{{ 'List[' + json_to_python_type(spec.type or 'string', spec) + ']' }}{%- else %}{{ 'Dict' }}{%- endif %}{%- endmacro -%}
{%- macro tool_parser(tools) %}{%- for tool in tools %}{%- if tool.type == 'function' %}
{{ '```python\ndef ' + tool.function.name + '(' }}{%- for n, s in tool.function.parameters.properties|items|sort %}{%- if not loop.first %}{{ ', ' }}{%- endif %}{{ n }}: {% if n in tool.function.parameters.required %}{{ json_to_python_type(s.type, s) }}{% else %}{{ 'Optional[' + json_to_python_type(s.type, s) + '] = None' }}{% endif %}{%- endfor %}{{ ') -> List[Dict]:\n    ' }}{{ '\"\"\"' }}{{ tool.function.description | default('none', true) }}
{%- if tool.function.parameters.properties | length != 0 %}{{ '\n\n    Args:\n' }}{%- for n, s in tool.function.parameters.properties|dictsort %}{{ '        %s (%s): %s' | format(n, s.type, s.description | default('?')) }}{{ '\n' if not loop.last }}{%- endfor %}{%- endif %}
{{ '    \"\"\"\n    pass\n```' }}{%- endif %}{%- endfor %}{%- endmacro -%}
{{ bos_token }}{{ tool_parser(tools) if tools else 'no tools' }}
{%- for message in messages %}
{%- if message.role in ('user', 'system') %}{{ '\n<|' ~ message.role | upper ~ '|>' ~ message.content }}
{%- elif message.role == 'assistant' and message.tool_calls is defined %}{{ '\n<|BOT|>' }}{% if message.content is defined %}{{ message.content|trim }}{% endif %}{{ '\nAction:\n```json\n[\n' }}{% for tool_call in message.tool_calls %}{{ '{\n'|indent(4, first=True) }}{{ '"tool_name": "' |indent(8, first=True) + tool_call.function.name + '",\n' }}{{ '"parameters": '|indent(8, first=True) }}{% if tool_call.function.arguments is mapping %}{% set pairs = tool_call.function.arguments | tojson(indent=4) %}{{ pairs|indent(8) }}{{ '\n' }}{% else %}{{ '{}\n' }}{% endif %}{{ '}'|indent(4, first=True) }}{% if not loop.last %}{{ ',\n' }}{% endif %}{% endfor %}{{ '\n]```' }}
{%- elif message.role == 'assistant' %}{{ '\n<|BOT|>' ~ message.content }}
{%- elif message.role == 'tool' %}{{ '\n<results>\n' ~ (message.content | replace('\n', ' ') | truncate(60)) ~ '</results>' }}{%- endif %}
{%- endfor %}{% if add_generation_prompt %}{{ '\n<|BOT|>' }}{% endif %}"""
JAMBA = """{%%- if bos_token is defined -%%}{{- bos_token }}{%%- endif -%%}
{# Messages with the system's first. #}
{%%- macro handle_tool_definitions(tools) -%%}{{- '<tool_definitions>\n' -}}{{- '# Tools\n\n' -}}{{- '## Functions' -}}
{%%- for tool in tools -%%}{{- '\n\n' -}}{{- handle_tool_definition(tool, loop.index0) -}}{%%- endfor -%%}{{- '\n</tool_definitions>' -}}{%%- endmacro -%%}
{%%- macro handle_tool_definition(tool, tool_idx) -%%}{{- tool | tojson -}}{%%- endmacro -%%}
{%%- macro handle_documents(documents) -%%}{{- '<documents>\n' -}}{{- '# Documents' -}}{{- '\n\n' -}}{{- 'You can use the following documents for reference:' -}}
{%%- for doc in documents -%%}{{- '\n\n' -}}{{- handle_document(doc, loop.index0) -}}{%%- endfor -%%}{{- '\n</documents>' -}}{%%- endmacro -%%}
{%%- macro handle_document(document, document_idx) -%%}{{- '## Document ID: ' ~ document_idx -}}
{%%- for field in (document | reject("in", ["text", "content"])) -%%}{{- '\n' ~ field | title ~ ': ' ~ document[field] -}}{%%- endfor -%%}
{%%- if document["text"] is defined -%%}{{- '\nText: ' ~ document["text"] -}}{%%- elif document["content"] is defined %%}{{- '\nText: ' ~ document["content"] -}}{%%- endif -%%}{%%- endmacro -%%}
{%%- macro handle_knobs(knobs) -%%}{{- '<metadata>\n' -}}{%%- if knobs.is_set is defined and knobs.is_set -%%}{{- 'is_set: ' ~ knobs.is_set ~ '\n' -}}{%%- endif -%%}{%%- if knobs.response_format == "json_object" -%%}{{- 'Respond in JSON' -}}{%%- endif -%%}{{- '\n</metadata>' -}}{%%- endmacro -%%}
{%%- macro handle_tool_calls(tool_calls) -%%}{{- '<tool_calls>[\n  ' -}}{%%- for tool_call in tool_calls -%%}{%%- if not loop.first -%%}{{- ',\n  ' -}}{%%- endif -%%}{{- '{"name": "' ~ tool_call.function.name ~ '", "arguments": ' ~ (tool_call.function.arguments if tool_call.function.arguments is string else tool_call.function.arguments | tojson) ~ '}' -}}{%%- endfor -%%}{{- '\n]</tool_calls>' -}}{%%- endmacro -%%}
{%%- if messages[0].role == "system" -%%}{%%- set system_message = messages[0].content -%%}{%%- set messages_wo_system = messages[1:] -%%}{%%- else -%%}{%%- set messages_wo_system = messages -%%}{%%- set system_message = "" -%%}{%%- endif -%%}
{%%- set ns = namespace(blocks=[]) -%%}
{%%- if system_message -%%}{%%- set ns.blocks = ns.blocks + [system_message] -%%}{%%- endif -%%}
{%%- if tools is defined and tools -%%}{%%- set ns.blocks = ns.blocks + [handle_tool_definitions(tools)] -%%}{%%- endif -%%}
{%%- if documents -%%}{%%- set ns.blocks = ns.blocks + [handle_documents(documents)] -%%}{%%- endif -%%}
{%%- if knobs is defined -%%}{%%- set ns.blocks = ns.blocks + [handle_knobs(knobs)] -%%}{%%- endif -%%}
{%%- if ns.blocks -%%}{{- '<|bom|><|system|>' ~ %s ~ '<|eom|>' -}}{%%- endif -%%}
{%%- for message in messages_wo_system -%%}
{%%- if message.role == "tool" -%%}{{- '<|bom|><|tool|> ' ~ message.content ~ '<|eom|>' -}}
{%%- elif message.role in ["user", "assistant"] -%%}{{- '<|bom|><|' ~ message.role ~ '|>' ~ %s -}}
{%%- if message.content is string -%%}{{- message.content%s -}}{%%- elif message.content -%%}{%%- for part in message.content | selectattr("type", "eq", "text") -%%}{{- part.text -}}{%%- endfor -%%}{%%- endif -%%}
{%%- if message.tool_calls -%%}{{- handle_tool_calls(message.tool_calls) -}}{%%- endif -%%}{{- '<|eom|>' -}}
{%%- else -%%}{{- raise_exception('Unknown role: ' ~ message.role) -}}{%%- endif -%%}
{%%- endfor -%%}
{%%- if add_generation_prompt -%%}{{- '<|bom|><|assistant|>' -}}{%%- endif -%%}"""
FAMILIES["jamba15"] = JAMBA % ("' ' ~ (ns.blocks | join('\n\n'))", "' '", "")
FAMILIES["jamba16"] = JAMBA % ("'\n' ~ (ns.blocks | join('\n'))", "''", ".strip()")
FAMILIES["jamba17"] = JAMBA % ("(ns.blocks | map('trim') | join('\n\n---\n\n'))", "('' if loop.first else ' ')", " | trim")

# Others, each with something of its own.
FAMILIES["vicuna"] = """{% if messages[0]['role'] == 'system' %}{% set system_message = messages[0]['content'] | trim + '\n\n' %}{% set messages = messages[1:] %}{% else %}{% set system_message = '' %}{% endif %}{{ bos_token + system_message }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% if message['role'] == 'user' %}{{ 'USER: ' + message['content'] | trim + '\n' }}{% elif message['role'] == 'assistant' %}{{ 'ASSISTANT: ' + message['content'] | trim + eos_token + '\n' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"""
FAMILIES["alpaca"] = """{% for message in messages %}{% if message.role == 'user' %}### Instruction:
{{ message.content | trim -}}
{% elif message.role == 'assistant' %}### Response:
{{ message.content | trim + eos_token -}}
{% elif message.role == 'system' %}{{ message.content | capitalize -}}{% endif %}{% if not loop.last %}


{% endif %}{% endfor %}{% if add_generation_prompt and messages[-1].role != 'assistant' %}

### Response:
{% endif %}"""
FAMILIES["openchat"] = """{{ bos_token }}{% for message in messages %}{{ 'GPT4 Correct ' + message['role'].title() + ': ' + message['content'] + '<|end_of_turn|>'}}{% endfor %}{% if add_generation_prompt %}{{ 'GPT4 Correct Assistant:' }}{% endif %}"""
FAMILIES["olmo"] = """{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}{{ '<|user|>\n' + message['content'] }}{% elif message['role'] == 'assistant' %}{{ '<|assistant|>\n'  + message['content'] + eos_token }}{% endif %}{% if loop.last and add_generation_prompt %}{{ '<|assistant|>' }}{% elif not loop.last %}{{ '\n' }}{% endif %}{% endfor %}"""
FAMILIES["nemotron"] = """{{'<extra_id_0>System'}}{% for message in messages %}{% if message['role'] == 'system' %}{{'\n' + message['content'].strip()}}{% if tools or contexts %}{{'\n'}}{% endif %}{% endif %}{% endfor %}{% if tools %}{% for tool in tools %}{{ '\n<tool> ' + tool|tojson + ' </tool>' }}{% endfor %}{% endif %}{% if contexts %}{% if messages[0]['role'] != 'system' %}{{'\n'}}{% endif %}{% for context in contexts %}{{ '\n<context> ' + context.strip() + ' </context>' }}{% endfor %}{% endif %}{{'\n\n'}}{% for message in messages %}{% if message['role'] == 'user' %}{{ '<extra_id_1>User\n' + message['content'].strip() + '\n' }}{% elif message['role'] == 'assistant' %}{{ '<extra_id_1>Assistant\n' + message['content'].strip() + '\n' }}{% elif message['role'] == 'tool' %}{{ '<extra_id_1>Tool\n' + message['content'].strip() + '\n' }}{% endif %}{% endfor %}{%- if add_generation_prompt %}{{'<extra_id_1>Assistant\n'}}{%- endif %}"""
FAMILIES["functionary"] = """{% macro typed(p) %}{{ p.type if p.type is string else p.type | join(' | ') }}{% if p.enum %}{{ ' ' ~ p.enum }}{% endif %}{% endmacro %}
{%- for tool in tools or [] -%}
{% with f = tool.function, n = loop.index %}
// {{ n }}. {{ f.description or 'undescribed' }}
type {{ f.name }} = (_: {
{%- for name, p in f.parameters.properties.items() %}

{{ name }}{{ '?' if name not in f.parameters.required }}: {{ typed(p) }},
{%- else %}none{% endfor %}}) => any;
{%- endwith %}
{% endfor -%}
{% for m in messages recursive -%}
{{ loop.depth }}.{{ loop.index }}/{{ loop.length }} {{ m.role }}{% if m.content is string %}: {{ m.content }}{% elif m.content %} {{ loop(m.content) }}{% elif m.text is defined %}: {{ m.text }}{% endif %}
{% endfor %}{{ 'assistant' if add_generation_prompt }}"""
FAMILIES["ernie"] = """{%- set ns = namespace(system=[], text='', n=0) -%}
{%- for message in messages -%}{%- if message.role == 'system' -%}{%- set ns.system = ns.system + [message.content] -%}{%- continue -%}{%- endif -%}
{%- if ns.n >= 4 -%}{%- break -%}{%- endif -%}{%- set ns.n = ns.n + 1 -%}
{%- set ns.text = ns.text ~ ('%s #%02d: ' % (message.role | capitalize, ns.n)) ~ message.content ~ '\n' -%}{%- endfor -%}
{{ ns.system | join('\n') | default('<none>', true) }}
{{ ns.text }}{{ ns.n // 2 }} {{ (ns.n / 3) | round(2) }} {{ [ns.n, 2] | max }} {{ ns.system | length is odd }}"""
FAMILIES["filters"] = """{% set roles = messages | map(attribute='role') | list %}{{ roles | unique | sort | join(',') }};{{ roles | first }};{{ roles | last }};{{ roles[-2:] }};{{ roles | select('equalto', 'user') | list | length }}
{% for role, group in messages | groupby('role') %}{{ role }}={{ group | length }} {% endfor %}
{% for m in messages | rejectattr('role', 'in', ['tool', 'system']) %}{{ loop.cycle('>', '<') }} {{ m.content | string | replace('\n', '⏎') | truncate(30, true, '…', 0) | e }} {{ m.content | string | wordcount }} {{ (m.content | string)[:5] | center(9) }}|{{ m | length }}
{% endfor %}{{ (tools or []) | map(attribute='function.name') | join(' ') | upper }}{{ (tools or [{}])[0] | tojson(indent=2, sort_keys=true) }}
{% filter trim | lower %} {{ messages[0].role }} END {% endfilter %}{% set block %}[{{ eos_token }}]{% endset %}{{ block ~ block | length }}{% for a, b in [(1, 'x'), (2, 'y')] if a > 1 %}{{ a ~ b }}{% endfor %}
{{ messages | selectattr('tool_calls', 'defined') | list | length }} {{ range(1, 8, 3) | list }} {{ dict(a=1, b=none) }} {{ {'k': messages[0].role}.get('z', 'd') }} {{ '%.2f' | format(2.345) }} {{ 7 is divisibleby 7 }} {{ none is none and not false }}"""
FAMILIES["json-lines"] = """{% for m in messages %}{{ {'i': loop.index, 'message': m} | tojson }}
{% endfor %}{{ tools | tojson }}{{ documents | tojson(ensure_ascii=true) }}{{ messages[-1] | tojson(separators=(',', ':')) }}{{ messages[-1] | string | length }}"""
FAMILIES["strings"] = """{% for m in messages %}{% set c = m.content if m.content is string else m | string %}{{ c.upper() }}|{{ c.lower() }}|{{ c.title() }}|{{ c.capitalize() }}|{{ c.strip('. \n') }}|{{ c.split() }}|{{ c.splitlines() }}|{{ c.find('e') }}|{{ c.count('\n') }}|{{ c.partition(' ') }}|{{ c.rsplit('\n', 1) }}|{{ c.startswith(('a', 'Hello')) }}|{{ c.isalpha() }}|{{ c.isspace() }}|{{ c[::-1] }}|{{ c[2:9:2] }}|{{ c.zfill(4) }}|{{ '{:>12}'.format(c[:4]) }}|{{ '-'.join(c[:6]) }}
{% endfor %}"""
