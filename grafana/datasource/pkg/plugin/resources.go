package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/grafana/grafana-plugin-sdk-go/backend/log"

	"betrace/grafana/datasource/pkg/betrace"
	"betrace/grafana/datasource/pkg/frames"
)

const mostValues = 1000

// option is what a filter or a variable is completed with.
type option struct {
	Value string `json:"value"`
	Label string `json:"label"`
}

// resources are what the query editor and variables ask for: lists of options.
func (d *Datasource) resources() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /severities", d.list(func(context.Context, *http.Request) ([]option, error) {
		return same(frames.Severities), nil
	}))
	mux.HandleFunc("GET /rules", d.list(d.rules))
	mux.HandleFunc("GET /values/{kind}", d.list(d.values))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		write(w, http.StatusNotFound, map[string]string{"message": "there is nothing at " + r.URL.Path})
	})
	return mux
}

func (d *Datasource) rules(ctx context.Context, _ *http.Request) ([]option, error) {
	found, _, err := d.client.Rules(ctx, mostRules)
	made := make([]option, 0, len(found))
	for _, rule := range found {
		label := rule.ID
		if rule.Name != "" {
			label = rule.Name
		}
		made = append(made, option{rule.ID, label})
	}
	return made, err
}

func (d *Datasource) values(ctx context.Context, asked *http.Request) ([]option, error) {
	found, _, err := d.client.Values(ctx, asked.PathValue("kind"), asked.URL.Query().Get("prefix"), mostValues)
	return same(found), err
}

// list answers with options, or with the message of what went wrong.
func (d *Datasource) list(of func(context.Context, *http.Request) ([]option, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), d.timeout)
		defer cancel()
		if d.problem != nil {
			write(w, http.StatusBadRequest, map[string]string{"message": d.problem.Error()})
			return
		}
		found, err := of(ctx, r)
		if err != nil {
			status := http.StatusBadGateway
			var told *betrace.Error
			if errors.As(err, &told) && told.Status != http.StatusUnauthorized && told.Status != http.StatusForbidden {
				status = told.Status // those two would have Grafana's page sign in anew
			}
			write(w, status, map[string]string{"message": err.Error()})
			return
		}
		write(w, http.StatusOK, found)
	}
}

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("content-type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		log.DefaultLogger.Debug("An answer was not taken", "error", err)
	}
}

func same(values []string) []option {
	made := make([]option, 0, len(values))
	for _, value := range values {
		made = append(made, option{value, value})
	}
	return made
}
