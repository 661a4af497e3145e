// Package ollama translates Ollama's API to and from turn's requests and events. Fields that are not known are ignored.
package ollama
