// Clients for JavaScript, against the server at JAMBA_URL; test_javascript.py starts one.
import assert from "node:assert/strict"
import { test } from "node:test"
import { createAnthropic } from "@ai-sdk/anthropic"
import { createOpenAI } from "@ai-sdk/openai"
import { createOpenAICompatible } from "@ai-sdk/openai-compatible"
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai"
import { embedMany, generateText, streamText, tool } from "ai"
import { Ollama } from "ollama"
import { z } from "zod"

const url = process.env.JAMBA_URL
const prompt = "Once upon a time"
const weather = tool({ description: "The weather", inputSchema: z.object({ city: z.string() }) })

const models = {
	"openai, responses": createOpenAI({ baseURL: url + "/v1", apiKey: "none" })("any"),
	"openai, chat": createOpenAI({ baseURL: url + "/v1", apiKey: "none" }).chat("any"),
	"openai-compatible": createOpenAICompatible({ name: "jamba", baseURL: url + "/v1", includeUsage: true })("any"),
	anthropic: createAnthropic({ baseURL: url + "/v1", apiKey: "none" })("any"),
}
for (const [name, model] of Object.entries(models)) {
	test("AI SDK, " + name, async () => {
		const how = { model, prompt, system: "Be brief.", tools: { weather }, temperature: 0, maxOutputTokens: 12, maxRetries: 0 }
		const whole = await generateText(how)
		assert.ok(whole.text)
		assert.equal(whole.finishReason, "length")
		assert.equal(whole.usage.outputTokens, 12)
		const stream = streamText({ ...how, onError: ({ error }) => assert.fail(error) })
		let text = ""
		for await (const piece of stream.textStream) text += piece
		assert.equal(text, whole.text)
		assert.equal((await stream.usage).outputTokens, 12)
	})
}

test("AI SDK, embeddings", async () => {
	const model = createOpenAI({ baseURL: url + "/v1", apiKey: "none" }).embedding("any")
	const { embeddings } = await embedMany({ model, values: ["a", "b"], maxRetries: 0 })
	assert.ok(embeddings.length == 2 && embeddings[1].length > 8)
})

for (const useResponsesApi of [false, true]) {
	test(`LangChain, ${useResponsesApi ? "responses" : "chat"}`, async () => {
		const model = new ChatOpenAI({ model: "any", apiKey: "none", temperature: 0, maxTokens: 12, maxRetries: 0, useResponsesApi, configuration: { baseURL: url + "/v1" } })
		const whole = await model.invoke(prompt)
		assert.ok(whole.text)
		assert.equal(whole.usage_metadata.output_tokens, 12)
		let text = ""
		for await (const piece of await model.stream(prompt)) text += piece.text
		assert.equal(text, whole.text)
	})
}

test("LangChain, embeddings", async () => {
	const model = new OpenAIEmbeddings({ model: "any", apiKey: "none", maxRetries: 0, configuration: { baseURL: url + "/v1" } })
	const vectors = await model.embedDocuments(["a", "b"])
	assert.ok(vectors.length == 2 && vectors[1].length > 8) // in base64 on the way, which floats would not be read from
})

test("ollama", async () => {
	const client = new Ollama({ host: url })
	const model = (await client.list()).models[0].model
	const how = { model, messages: [{ role: "user", content: prompt }], options: { temperature: 0, num_predict: 12 } }
	const whole = await client.chat(how)
	assert.ok(whole.message.content)
	let text = ""
	for await (const piece of await client.chat({ ...how, stream: true })) text += piece.message.content
	assert.equal(text, whole.message.content)
	assert.equal((await client.embed({ model, input: ["a", "b"] })).embeddings.length, 2)
	await assert.rejects(client.chat({ ...how, options: { temperature: -1 } }), { status_code: 400 })
})
