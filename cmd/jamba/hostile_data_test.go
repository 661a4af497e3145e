package main

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// hostileData are files to train on.
func hostileData() []hostileCase {
	var cases []hostileCase
	add := func(file string, m filler, name string, want verdict) {
		cases = append(cases, hostileCase{"data: " + file + " of " + name, map[string]filler{file: m}, "jamba train model.yaml " + file + " -o out --tokenizer m --warmup 0", want})
	}
	for name, line := range map[string]string{
		"a text that steers": `{"text": "` + escapesJSON + `"}`, "a key that steers": `{"` + escapesJSON + `": 1}`, "a long key": `{"` + long(5<<20) + `": 1}`, "numbers": `{"text": 5}`,
		"deep": strings.Repeat(`{"a":`, 100000), "ids beyond": `{"input_ids": [1, 4000000000]}`, "negative ids": `{"input_ids": [-1]}`, "fractions": `{"input_ids": [1.5]}`,
		"a million ids of text": `{"input_ids": [` + strings.Repeat(`"x",`, 1<<20) + `1]}`, "labels of another length": `{"input_ids": [1, 2, 3], "labels": [1]}`,
		"a role that steers": `{"messages": [{"role": "` + escapesJSON + `", "content": "x"}]}`, "messages of arrays": `{"messages": [` + strings.Repeat(`[],`, 1<<20) + `[]]}`,
		"an array": `[1, 2]`, "a number": strings.Repeat("9", 1<<20), "half": `{"text": "The old`, "nothing": "\n\n\n", "many values": `{"text": "x", "y": [` + strings.Repeat("[],", 4<<20) + `[]]}`,
		"no text": "{\"text\": \"\xff\xfe\"}",
	} {
		add("x.jsonl", content(line+"\n"), name, either)
		add("x.json", content("["+line+"]"), name, either)
	}
	add("x.jsonl", content(strings.Repeat("{}\n", 1<<20)), "a million objects of nothing", either)
	add("x.jsonl", content(strings.Repeat("x\n", 1<<20)), "a million bad lines", refused)
	add("x.json", content("["+strings.Repeat(`{"text":""},`, 500000)+"{}]"), "half a million empty documents", either)
	add("x.txt", content(strings.Repeat("\xff", 1<<20)), "bytes that are no text", either)
	add("x.txt", content(strings.Repeat("\x00", 1<<20)), "zeros", either)
	add("x.csv", content("a,b\n"), "commas", refused)
	add("\x1b[31m.txt", content(""), "a name that steers", refused)
	cases = append(cases, hostileCase{"data: a name that steers and is not there", nil, "jamba train model.yaml \x1b[31m\x07.txt -o out --tokenizer m", refused})

	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	for range 300 {
		_, _ = z.Write([]byte(strings.Repeat("a", 1<<20)))
	}
	z.Close()
	var zbomb bytes.Buffer
	zw, err := zstd.NewWriter(&zbomb)
	if err != nil {
		panic(err)
	}
	for range 300 {
		_, _ = zw.Write([]byte(strings.Repeat("a", 1<<20)))
	}
	zw.Close()
	for file, b := range map[string][]byte{"x.jsonl.gz": bomb.Bytes(), "x.jsonl.zst": zbomb.Bytes()} {
		add(file, raw(b), "a line of 300 MiB", refused)
		add(file, raw(b[:len(b)/2]), "half of it", refused)
	}
	for name, b := range map[string]string{"texts": "a b", "lines": "\n", "ids": "1,", "spaces": " "} {
		packed := gzipped(func(w io.Writer) {
			begin := map[string]string{"texts": `{"text": "`, "ids": `{"input_ids": [`}[name]
			_, _ = io.WriteString(w, begin)
			for range 60 {
				_, _ = io.WriteString(w, strings.Repeat(b, (1<<20)/len(b)))
			}
		})
		add("x.jsonl.gz", raw(packed), "60 MiB of "+name, refused)
		add("x.json.gz", raw(packed), "60 MiB of "+name, refused)
	}
	add("x.txt.gz", raw(gzipped(func(w io.Writer) {
		for range 200 {
			_, _ = io.WriteString(w, strings.Repeat("the fox ", 1<<17))
		}
	})), "200 MiB", refused)
	add("x.txt.gz", raw([]byte{0x1f, 0x8b, 8, 0xff, 0, 0, 0, 0, 0, 0}), "a header of flags", refused)
	add("x.txt.zst", raw([]byte{0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}), "a window of exabytes", refused)
	add("x.txt.zst", raw([]byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xf8, 0x01, 0x00, 0x00}), "a window of gigabytes", refused)

	footer := func(b string) filler {
		return content("PAR1" + b + string(binary.LittleEndian.AppendUint32(nil, uint32(len(b)))) + "PAR1")
	}
	add("x.parquet", footer(""), "no footer", refused)
	add("x.parquet", content("PAR1\xff\xff\xff\xffPAR1"), "a footer of 4 GiB", refused)
	add("x.parquet", content("PAR1\xff\xff\xff\x7fPAR1"), "a footer of 2 GiB", refused)
	add("x.parquet", content("PAR1\x00\x00\x00\x00PARE"), "an encrypted footer", refused)
	for name, b := range map[string]string{
		"a list of 2 billion": "\x15\x02\x19\xfc\xff\xff\xff\xff\x07", "deep structures": strings.Repeat("\x1c", 100000), "a name of 4 GiB": "\x15\x02\x19\x1c\x48\xff\xff\xff\xff\x0f",
		"endless numbers": strings.Repeat("\x15\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 1000), "deep lists": strings.Repeat("\x19\x19", 100000), "maps": "\x1b\xff\xff\xff\xff\x0f\xbb",
	} {
		add("x.parquet", footer(b), "a footer with "+name, refused)
	}
	return cases
}

// gzipped is what write writes, packed.
func gzipped(write func(w io.Writer)) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	write(z)
	z.Close()
	return b.Bytes()
}
