// Package impostor tells what a file really is that stands under the name of one of a model's: what downloads and clones
// leave behind when they go wrong, and formats that people take for each other.
package impostor

import (
	"bytes"
	"strings"
)

// kinds are beginnings of files. Longer ones come first where one begins another.
var kinds = []struct{ magic, what string }{
	{"version https://git-lfs.github.com/spec/", lfs},
	{"version http://git-media.io/", lfs},
	{"GGUF", "is a GGUF file: give it by its own name, which should end in .gguf"},
	{"lmgg", oldGGML},
	{"fmgg", oldGGML},
	{"tjgg", oldGGML},
	{"algg", oldGGML},
	{"PK\x03\x04", "is a ZIP archive, as PyTorch's .bin, .pt and .pth files are: convert it to safetensors"},
	{"\x80\x02", pickle},
	{"\x80\x03", pickle},
	{"\x80\x04", pickle},
	{"\x80\x05", pickle},
	{"\x89HDF", "is an HDF5 file, as Keras and TensorFlow write them: convert it to safetensors"},
	{"\x1f\x8b", "is compressed with gzip: unpack it first"},
	{"\x28\xb5\x2f\xfd", "is compressed with zstd: unpack it first"},
	{"\xfd7zXZ", "is compressed with xz: unpack it first"},
	{"BZh", "is compressed with bzip2: unpack it first"},
	{"7z\xbc\xaf", "is a 7z archive: unpack it first"},
	{"Rar!", "is a RAR archive: unpack it first"},
}

const (
	lfs     = "is a Git LFS pointer, a few lines in place of the file itself: fetch that with git lfs pull in the clone, or download it"
	oldGGML = "is a GGML file from before GGUF: convert the original model again"
	pickle  = "is a Python pickle, as old PyTorch files are: convert it to safetensors"
	page    = "is a web page, perhaps one that asks for a login or tells of an error, saved under this name: download the file again"
	answer  = "is a server's error message, saved under this name: download the file again; it may need a login"
)

// answers are how texts begin that servers send in place of a file, in lower case.
var answers = []string{`{"error"`, "entry not found", "repository not found", "invalid username or password", "access to model", "access denied", "404", "403", "401", "forbidden", "not found"}

// LFS reports whether a file is a Git LFS pointer, which no sound file begins like.
func LFS(head []byte) bool { return len(head) < 1024 && bytes.HasPrefix(head, []byte(kinds[0].magic)) }

// What returns what the file is that begins with head, as the rest of a sentence about it ("is a Git LFS pointer: …"), or
// "" if it knows no better name. It is to be asked when a file could not be read as what it should be: a sound file may
// begin like another by chance.
func What(head []byte) string {
	const enough = 512
	if len(head) == 0 {
		return "is empty: is the download complete?"
	}
	head = head[:min(len(head), enough)]
	for _, k := range kinds {
		if bytes.HasPrefix(head, []byte(k.magic)) {
			return k.what
		}
	}
	if len(head) >= 64 && len(bytes.Trim(head, "\x00")) == 0 {
		return "begins with nothing but zeros: is the download complete?"
	}
	text := strings.ToLower(string(bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")))
	for _, begin := range []string{"<!doctype", "<html", "<head", "<?xml", "<!--"} {
		if strings.HasPrefix(text, begin) {
			return page
		}
	}
	compact := strings.NewReplacer(" ", "", "\n", "", "\r", "", "\t", "").Replace(text)
	for _, begin := range answers {
		if strings.HasPrefix(text, begin) || strings.HasPrefix(compact, begin) {
			return answer
		}
	}
	return ""
}
