package betrace

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
)

const quoted = 500 // characters of what an API says of an error

// unreached tells of a request without an answer.
func (c *Client) unreached(err error) error {
	var timeout net.Error
	var unknown *net.DNSError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, context.Canceled):
		return &Error{499, "the query was cancelled", err}
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		text := "BeTrace's API at %s did not answer in time: ask for a shorter time, or set a longer timeout"
		return &Error{http.StatusGatewayTimeout, fmt.Sprintf(text, c.base), err}
	case errors.As(err, &unknown):
		text := "the host of BeTrace's API is unknown: %s; look at the datasource's URL"
		return &Error{http.StatusBadGateway, fmt.Sprintf(text, c.base.Hostname()), err}
	case errors.As(err, &certificate):
		text := "the certificate of BeTrace's API at %s is not trusted: %v; set the CA of the datasource"
		return &Error{http.StatusBadGateway, fmt.Sprintf(text, c.base, certificate.Err), err}
	}
	text := "BeTrace's API at %s cannot be reached: %v"
	return &Error{http.StatusBadGateway, fmt.Sprintf(text, c.base, innermost(err)), err}
}

// innermost leaves out the address of the request, which is long and known.
func innermost(err error) error {
	var asked *url.Error
	if errors.As(err, &asked) {
		return asked.Err
	}
	return err
}

// refused tells of an answer with an error.
func (c *Client) refused(response *http.Response, body []byte) error {
	status := response.StatusCode
	var problem struct {
		Detail string `json:"detail"`
	}
	isProblem := strings.HasPrefix(response.Header.Get("content-type"), "application/problem+json") &&
		json.Unmarshal(body, &problem) == nil && problem.Detail != ""
	switch {
	case status == http.StatusUnauthorized && c.token == "":
		return &Error{status, fmt.Sprintf("BeTrace's API at %s wants a token: set the API token of the datasource", c.base), nil}
	case status == http.StatusUnauthorized:
		return &Error{status, fmt.Sprintf("BeTrace's API at %s does not know the token: set the API token anew", c.base), nil}
	case !isProblem && (status < 500 || status == http.StatusNotImplemented):
		return c.foreign()
	case !isProblem:
		text := "BeTrace's API at %s does not work: it answered %d %s"
		return &Error{http.StatusBadGateway, fmt.Sprintf(text, c.base, status, http.StatusText(status)), nil}
	}
	return &Error{status, fmt.Sprintf("BeTrace's API: %s", cut(problem.Detail)), nil}
}

// foreign tells that what answers is no API of BeTrace.
func (c *Client) foreign() error {
	text := "what answers at %s is not BeTrace's API: look at the datasource's URL"
	return &Error{http.StatusBadGateway, fmt.Sprintf(text, c.base), nil}
}

func (c *Client) unlike(err error) error {
	text := "the answer of %s is not what BeTrace's API gives: look at the datasource's URL (%v)"
	return &Error{http.StatusBadGateway, fmt.Sprintf(text, c.base, err), err}
}

func (c *Client) tooLarge() error {
	text := "the answer is larger than %d MiB: ask for a shorter time, longer intervals or a lower limit"
	return &Error{http.StatusBadGateway, fmt.Sprintf(text, Largest>>20), nil}
}

func cut(text string) string {
	if letters := []rune(text); len(letters) > quoted {
		return string(letters[:quoted]) + "…"
	}
	return text
}
