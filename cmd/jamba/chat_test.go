//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"jamba"
	"jamba/internal/testutil"
	"jamba/text"
	"jamba/text/chat"
)

// terminal is a command that runs on a pseudo-terminal.
type terminal struct {
	t     *testing.T
	ctrl  *os.File // the side of the person who types
	exit  chan error
	state string // the folder of its history

	mu   sync.Mutex
	seen string // what was written since the last expect
	raw  string // and all of it
}

// steering are the sequences with which the editor moves the cursor and draws.
var steering = regexp.MustCompile(`\x1b\[[0-9;?]*[ ]?[A-Za-z]|\r`)

// start runs jamba on a terminal of its own.
func start(t *testing.T, args ...string) *terminal {
	t.Helper()
	return startWide(t, 200, args...)
}

func startWide(t *testing.T, columns uint16, args ...string) *terminal {
	t.Helper()
	testutil.SkipRace(t, "the command is so slow that keys arrive before it reads them")
	return startProgram(t, columns, "jamba", args...)
}

func startProgram(t *testing.T, columns uint16, program string, args ...string) *terminal {
	t.Helper()
	ctrl, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudo-terminals here: ", err)
	}
	t.Cleanup(func() { ctrl.Close() })
	n, err := unix.IoctlGetInt(int(ctrl.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(ctrl.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(int(ctrl.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 50, Col: columns})
	}
	if err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	term := &terminal{t: t, ctrl: ctrl, exit: make(chan error, 1), state: t.TempDir()}
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "TERM=xterm", "XDG_STATE_HOME="+term.state)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	go func() { term.exit <- cmd.Wait() }()
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := ctrl.Read(b)
			term.mu.Lock()
			term.raw += string(b[:n])
			term.seen += string(b[:n])
			term.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return term
}

func (term *terminal) send(keys string) {
	term.t.Helper()
	if _, err := term.ctrl.WriteString(keys); err != nil {
		term.t.Fatal(err)
	}
}

// expect waits until what was written since the last expect matches, and returns the groups.
func (term *terminal) expect(pattern string) []string {
	term.t.Helper()
	re := regexp.MustCompile(`(?s)` + pattern)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		term.mu.Lock()
		text := steering.ReplaceAllString(term.seen, "")
		if m := re.FindStringSubmatchIndex(text); m != nil {
			term.seen = text[m[1]:]
			term.mu.Unlock()
			groups := make([]string, len(m)/2)
			for i := range groups {
				groups[i] = text[m[2*i]:m[2*i+1]]
			}
			return groups
		}
		term.mu.Unlock()
		if time.Now().After(end) {
			term.t.Fatalf("the terminal shows %q, want %s", text, pattern)
		}
	}
}

// turn sends a prompt and returns how many tokens it had with what was before, and the answer.
func (term *terminal) turn(keys string) (tokens, answer string) {
	term.t.Helper()
	term.send(keys + "\r")
	groups := term.expect(`\n([^\n]*)\nprompt (\d+) tokens, .*? tokens/s\n.*?> `)
	return groups[2], groups[1]
}

// ends waits for the end of the command.
func (term *terminal) ends() {
	term.t.Helper()
	select {
	case err := <-term.exit:
		if err != nil {
			term.t.Error(err)
		}
	case <-time.After(20 * time.Second):
		term.t.Fatal("the chat does not end")
	}
}

const hello, more = "Seven tree green,", "And then?"

func TestChat(t *testing.T) {
	path := testutil.Golden("e2e", "model")
	m, err := jamba.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	user := func(s string) jamba.Message { return jamba.Message{Role: "user", Content: s} }
	// want is what a chat would print after messages.
	want := func(messages ...jamba.Message) (tokens, answer string) {
		var plain []chat.Message
		for _, m := range messages {
			plain = append(plain, chat.Message{Role: m.Role, Content: m.Content})
		}
		ids, err := m.Text().EncodeChat(chat.NewRequest(plain...))
		if err != nil {
			t.Fatal(err)
		}
		for p, err := range m.Chat(context.Background(), messages, jamba.Options{MaxTokens: 6}) {
			if err != nil {
				t.Fatal(err)
			}
			answer += p.Text
		}
		return fmt.Sprint(len(ids)), answer
	}
	term := start(t, "run", "-m", path, "--max-tokens", "6", "--stats", "--temperature", "0")
	turn := func(what, keys string, messages ...jamba.Message) (answer string) {
		t.Helper()
		tokens, answer := term.turn(keys)
		wantTokens, wantAnswer := want(messages...)
		if tokens != wantTokens || answer != wantAnswer {
			t.Errorf("%s: a prompt of %s tokens is answered by %q, want %s, %q", what, tokens, answer, wantTokens, wantAnswer)
		}
		return wantAnswer
	}
	term.expect(`model: jamba, .* parameters, context of 4096 tokens\. /help lists what can be done here\.\n.*> `)
	term.send("/help\r")
	term.expect("/clear  +forget the conversation\n/system TEXT .*> ")
	term.send("/frobnicate now\r")
	term.expect(`There is no command /frobnicate; /help lists them\.\n.*> `)
	term.send("/stats\r")
	term.expect(`There is no answer yet\.\n.*> `)
	term.send("  \r")
	term.expect("\n.*> ")

	first := jamba.Message{Role: "assistant", Content: turn("first", hello, user(hello))}
	second := jamba.Message{Role: "assistant", Content: turn("second", more, user(hello), first, user(more))}
	turn("third", "Again", user(hello), first, user(more), second, user("Again"))
	term.send("/clear\r")
	term.expect("\n.*> ")
	turn("after /clear", more, user(more))

	system := jamba.Message{Role: "system", Content: "Be brief."}
	term.send("/system  Be brief.\r")
	term.expect("\n.*> ")
	first.Content = turn("after /system", hello, system, user(hello))
	turn("second after /system", more, system, user(hello), first, user(more))
	term.send("/clear\r")
	term.expect("\n.*> ")
	turn("/clear keeps the system message", more, system, user(more))
	term.send("/clear\r")
	term.expect("\n.*> ")

	term.send("Seven\\\r")
	turn("of two lines", "tree", system, user("Seven\ntree"))
	term.send("/clear\r")
	term.expect("\n.*> ")
	term.send("never mind\x03")
	term.expect(`never mind.*\n\s*> $`) // not a prompt that is drawn while keys come
	turn("after Ctrl-C at the prompt", hello, system, user(hello))

	term.send("/exit\r")
	term.ends()
	history, err := os.ReadFile(filepath.Join(term.state, "jamba", "history"))
	if err != nil || !strings.Contains(string(history), hello+"\n") || !strings.Contains(string(history), `"Seven\ntree"`+"\n") {
		t.Errorf("history %q, error %v", history, err)
	}
}

// TestChatInterrupted stops an answer: the conversation goes on with as much as there was of it.
func TestChatInterrupted(t *testing.T) {
	const limit = 1000
	term := start(t, "run", "-m", testutil.Golden("e2e", "model"), "--stats", "--max-tokens", fmt.Sprint(limit))
	term.expect("> ")
	term.send(hello + "\r")
	term.expect(`\n[^\n>][^\n]{10,}`)
	term.send("\x03")
	term.expect(`\n\r?> `)
	term.send(hello + "\r")
	two, err := strconv.Atoi(term.expect(`\nprompt (\d+) tokens, .*? tokens/s\n.*?> `)[1])
	if err != nil {
		t.Fatal(err)
	}
	// Both prompts and no answer, or a whole one, would be so long.
	words, err := text.Open(testutil.Golden("e2e", "model"))
	if err != nil {
		t.Fatal(err)
	}
	none, err := words.EncodeChat(chat.NewRequest(chat.Message{Role: "user", Content: hello}, chat.Message{Role: "assistant"}, chat.Message{Role: "user", Content: hello}))
	if err != nil || two <= len(none) || two >= len(none)+limit {
		t.Errorf("after an answer that was stopped the next prompt has %d tokens, %d without it, error %v", two, len(none), err)
	}
	term.send("\x04")
	term.ends()
}

// TestChatPaste pastes a text of several lines, and a long one: each is one message, with nothing lost or run.
func TestChatPaste(t *testing.T) {
	path := testutil.Golden("e2e", "model")
	words, err := text.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("tree green\n", 40) + "/clear"
	term := startWide(t, 40, "run", "-m", path, "--max-tokens", "3", "--stats", "--temperature", "0")
	term.expect("> ")
	for _, pasted := range []string{"Seven\ntree \\\n🙂 日本語, green", "/quit\nis what I said", long} {
		ids, err := words.EncodeChat(chat.NewRequest(chat.Message{Role: "user", Content: pasted + "!"}))
		if err != nil {
			t.Fatal(err)
		}
		term.send("\x1b[200~" + strings.ReplaceAll(pasted, "\n", "\r") + "\x1b[201~!\r")
		if n := term.expect(`prompt (\d+) tokens, .*? tokens/s\n.*?> `)[1]; n != fmt.Sprint(len(ids)) {
			t.Errorf("%q: a prompt of %s tokens, want %d", pasted, n, len(ids))
		}
		term.send("/clear\r")
		term.expect(`forgotten\.\n.*> `)
	}
	term.send("\x04")
	term.ends()
}

// TestChatSettings changes settings, which count for the next answer.
func TestChatSettings(t *testing.T) {
	term := start(t, "run", "-m", testutil.Golden("e2e", "model"), "--stats")
	term.expect("> ")
	term.send("/set\r")
	term.expect(`max-tokens +2048\ntemperature +0\.8\ntop-k +0\ntop-p +0\.95\nmin-p +0\.05\nrepetition-penalty +1\n.*seed +random\n.*> `)
	for _, line := range []string{"/set temperature 0", "/set max-tokens 6", "/set top-p 1"} {
		term.send(line + "\r")
		term.expect(`\n.*> `)
	}
	for line, want := range map[string]string{
		"/set temperature 1000": `temperature is 1000, want 0 to 100`,
		"/set max-tokens 0":     `--max-tokens is 0, want 1 or more`,
		"/set top-k many":       `"many" is not a number of this kind`,
		"/set size 5":           `there is no setting "size"; max-tokens, temperature,`,
		"/set temperature":      `\ntemperature +0\n`,
	} {
		term.send(line + "\r")
		term.expect(want + `.*> `)
	}
	_, first := term.turn(hello)
	term.send("/clear\r")
	term.expect(`forgotten\.\n.*> `)
	if _, again := term.turn(hello); again != first {
		t.Errorf("at temperature 0 the answers are %q and %q", first, again)
	}
	term.send("/stats\r")
	term.expect(`prompt 17 tokens, .*context: 23 tokens of 4096, 2 messages\n.*> `)
	term.send("/set temperature default\r")
	term.expect(`\n.*> `)
	term.send("/set temperature\r")
	term.expect(`temperature +0\.8\n.*> `)
	term.send("/quit\r")
	term.ends()
}

// TestChatSuspended stops the command at its prompt, as Ctrl-Z does elsewhere, and lets its shell go on with it.
func TestChatSuspended(t *testing.T) {
	term := startProgram(t, 200, "sh", "-mc", `jamba "$@"; stty -a; fg`, "sh",
		"run", "-m", testutil.Golden("e2e", "model"), "--stats", "--max-tokens", "3")
	term.expect("> ")
	term.send("Seven tree\x1a")
	term.expect(`[ ;]icanon.*> Seven tree`) // the terminal is as it was before, then as it was within
	if tokens, _ := term.turn(" green,"); tokens != "17" {
		t.Errorf("a prompt of %s tokens", tokens)
	}
	term.send("\x04")
	term.ends()
}

// TestTerminal has an answer of escape characters, which must not reach the terminal, and a prompt before its continuation.
func TestTerminal(t *testing.T) {
	term := start(t, "run", "-m", testutil.Golden("e2e", "model"), "--raw", hello, "--max-tokens", "2", "--logit-bias", "58=100")
	term.expect(`^Seven tree green,\\x1b\\x1b\n$`)
	term.ends()
	term.mu.Lock()
	defer term.mu.Unlock()
	if strings.Contains(term.raw, "\x1b") {
		t.Errorf("the terminal got %q", term.raw)
	}
}

// TestTerminalWraps has lines that break between words.
func TestTerminalWraps(t *testing.T) {
	prompt := strings.Repeat("tree green ", 9)
	term := startWide(t, 31, "run", "-m", testutil.Golden("e2e", "model"), "--raw", prompt, "--max-tokens", "1", "--logit-bias", "58=100")
	term.ends()
	term.expect(`^tree green tree green tree\ngreen tree green tree green\n`)
}

// TestChatRaw has prompts that stand alone.
func TestChatRaw(t *testing.T) {
	term := start(t, "run", "-m", testutil.Golden("e2e", "model"), "--max-tokens", "3", "--stats", "--raw")
	term.expect(`Plain completion: each prompt stands alone\.\n.*> `)
	for range 2 {
		if tokens, answer := term.turn(hello); tokens != "8" || answer != hello+" again peroely" {
			t.Errorf("a prompt of %s tokens is answered by %q", tokens, answer)
		}
	}
	term.send("/system Be brief.\r")
	term.expect(`There is no system message in plain completion\.\n.*> `)
	term.send("\x04")
	term.ends()
}

// TestChatTools gives results of calls back.
func TestChatTools(t *testing.T) {
	dir := t.TempDir()
	if err := writeCaller(dir); err != nil {
		t.Fatal(err)
	}
	tools := filepath.Join(dir, "tools.json")
	if err := os.WriteFile(tools, []byte(`[{"name": "get_weather"}, {"name": "get_time"}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	term := start(t, "run", "-m", dir, "--tools", tools)
	term.expect(`/help lists .*> `)
	for _, line := range []struct{ keys, want string }{
		{"/tool sunny", `No call waits for its result\.`},
		{"Weather?", `Let me see\.\nget_weather\({"city": "Rome"}\)\nget_time\({}\)\n/tool RESULT gives back what get_weather came to\.`},
		{"/tool", `What did get_weather come to\? /tool RESULT`},
		{"/tool sunny", `/tool RESULT gives back what get_time came to\.`},
		{"/tool 12:00", `It is sunny at noon\.`},
	} {
		term.send(line.keys + "\r")
		term.expect(line.want + `\n.*> `)
	}
	term.send("/quit\r")
	term.ends()
}
