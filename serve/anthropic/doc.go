// Package anthropic translates Anthropic's Messages API to and from turn's requests and events. Fields that are not known are ignored.
package anthropic
