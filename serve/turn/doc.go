// Package turn is what all protocols of the server are translated to and from: one kind of request, and one stream of events that
// answers it. It does nothing by itself.
package turn
