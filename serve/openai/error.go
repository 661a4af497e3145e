package openai

import (
	"net/http"

	"jamba/serve/turn"
)

type errorBody struct {
	Error errorObject `json:"error"`
}

type errorObject struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
}

// Error returns the body that tells of an error.
func Error(err error) any { return errorBody{errorOf(err)} }

func errorOf(err error) errorObject {
	e := turn.AsError(err)
	o := errorObject{Message: e.Message, Type: "invalid_request_error"}
	switch e.Status {
	case http.StatusUnauthorized:
		o.Type = "authentication_error"
	case http.StatusForbidden:
		o.Type = "permission_error"
	case http.StatusTooManyRequests:
		o.Type = "rate_limit_error"
	default:
		if e.Status >= 500 {
			o.Type = "server_error"
		}
	}
	if e.Param != "" {
		o.Param = &e.Param
	}
	if e.Code != "" {
		o.Code = &e.Code
	}
	return o
}
