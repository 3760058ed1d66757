// Package betrace speaks BeTrace's HTTP API.
package betrace

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
)

// Largest is the most bytes of an answer that are read.
const Largest = 32 << 20

const page = 1000 // items of a page, the most that the API gives

// Client asks one API. Safe for concurrent use.
type Client struct {
	base  *url.URL
	token string
	http  *http.Client
}

// New makes a client for the API at base; the token may be empty.
func New(base *url.URL, token string, client *http.Client) *Client {
	return &Client{base, token, client}
}

// Close gives up idle connections.
func (c *Client) Close() {
	c.http.CloseIdleConnections()
}

// Answered says of an answer how old it may be and why; empty if it is current.
type Answered struct {
	Stale string
}

// Violations are the newest that the parameters let through, at most so many, and whether there are more.
func (c *Client) Violations(ctx context.Context, asked url.Values, most int) ([]Violation, bool, Answered, error) {
	return list[Violation](ctx, c, "/api/violations", asked, most)
}

// Rules are those in force, at most so many, and whether there are more.
func (c *Client) Rules(ctx context.Context, most int) ([]Rule, bool, error) {
	found, more, _, err := list[Rule](ctx, c, "/api/rules", nil, most)
	return found, more, err
}

// Values are what filters may name of a kind, and begins so, at most so many.
func (c *Client) Values(ctx context.Context, kind, prefix string, most int) ([]string, bool, error) {
	asked := url.Values{}
	if prefix != "" {
		asked.Set("prefix", prefix)
	}
	found, more, _, err := list[string](ctx, c, "/api/values/"+url.PathEscape(kind), asked, most)
	return found, more, err
}

// Counts are numbers of violations in intervals.
func (c *Client) Counts(ctx context.Context, asked url.Values) (Counts, Answered, error) {
	var found Counts
	answered, err := c.get(ctx, "/api/violations/counts", asked, &found)
	return found, answered, err
}

// Version is that of BeTrace, as its description says.
func (c *Client) Version(ctx context.Context) (string, error) {
	var found struct {
		Info struct {
			Title   string `json:"title"`
			Version string `json:"version"`
		} `json:"info"`
	}
	if _, err := c.get(ctx, "/api/openapi.json", nil, &found); err != nil {
		return "", err
	}
	if found.Info.Title != "BeTrace" {
		return "", c.foreign()
	}
	return found.Info.Version, nil
}

func list[T any](ctx context.Context, c *Client, path string, asked url.Values, most int) ([]T, bool, Answered, error) {
	var found []T
	var answered Answered
	parameters := url.Values{}
	for name, values := range asked {
		parameters[name] = values
	}
	for {
		var next Page[T]
		parameters.Set("limit", strconv.Itoa(max(1, min(page, most-len(found)))))
		each, err := c.get(ctx, path, parameters, &next)
		if err != nil {
			return nil, false, answered, err
		}
		if each.Stale != "" {
			answered = each
		}
		found = append(found, next.Items...)
		if next.NextCursor == nil {
			return found, false, answered, nil
		}
		if len(found) >= most {
			return found[:most], true, answered, nil
		}
		if len(next.Items) == 0 {
			return nil, false, answered, c.foreign()
		}
		parameters.Set("cursor", *next.NextCursor)
	}
}

// get asks, and reads the JSON of the answer; every error is an *Error.
func (c *Client) get(ctx context.Context, path string, asked url.Values, into any) (Answered, error) {
	address := *c.base.JoinPath(path)
	address.RawQuery = asked.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return Answered{}, c.unasked(err)
	}
	request.Header.Set("Accept", "application/json")
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return Answered{}, c.unreached(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, Largest+1))
	if err != nil {
		return Answered{}, c.unreached(err)
	}
	if len(body) > Largest {
		return Answered{}, c.tooLarge()
	}
	if response.StatusCode != http.StatusOK {
		return Answered{}, c.refused(response, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return Answered{}, c.unlike(err)
	}
	return Answered{response.Header.Get("betrace-stale")}, nil
}

// Error is why there is no answer. Status is the HTTP status that says it best, Message says what to do.
type Error struct {
	Status  int
	Message string
	cause   error
}

func (e *Error) Error() string { return e.Message }

func (e *Error) Unwrap() error { return e.cause }

// Is tells whether an error is an Error of that status.
func Is(err error, status int) bool {
	var found *Error
	return errors.As(err, &found) && found.Status == status
}

func (c *Client) unasked(err error) error {
	return &Error{http.StatusBadRequest, fmt.Sprintf("the API at %s cannot be asked: %v", c.base, err), err}
}
