package spansignature

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Coverage says which parts of a span a signature covers.
type Coverage uint32

// The parts, one bit each. Core is part of every coverage.
const (
	Core Coverage = 1 << iota
	Attributes
	Events
	Links
	Resource
	Scope
	TraceState
	Dropped
	Flags
	Schema

	Storage = Core | Attributes | Events | Links | Resource | Scope
	Full    = Storage | TraceState | Dropped | Flags | Schema
)

var profiles = map[string]Coverage{"core": Core, "storage": Storage, "full": Full}

// ParseCoverage reads a profile's name, or 0x and the bits.
func ParseCoverage(text string) (Coverage, error) {
	if profile, known := profiles[text]; known {
		return profile, nil
	}
	digits, hexadecimal := strings.CutPrefix(text, "0x")
	bits, err := strconv.ParseUint(digits, 16, 32)
	if !hexadecimal || err != nil || digits != strings.ToLower(digits) || strings.HasPrefix(digits, "+") {
		return 0, fmt.Errorf("%q is none of core, storage, full, or 0x and the bits in lowercase hex", text)
	}
	return Coverage(bits), nil
}

func (c Coverage) String() string {
	switch c {
	case Core:
		return "core"
	case Storage:
		return "storage"
	case Full:
		return "full"
	}
	return "0x" + strconv.FormatUint(uint64(c), 16)
}

// Selection is what a signature covers. ResourceKeys is nil for all of a resource's attributes.
type Selection struct {
	Coverage     Coverage
	ResourceKeys []string
	Exclude      []string
}

// NewSelection sorts the keys, as the format asks for.
func NewSelection(coverage Coverage, resourceKeys, exclude []string) Selection {
	selection := Selection{Coverage: coverage | Core, Exclude: sorted(exclude)}
	if resourceKeys != nil {
		selection.ResourceKeys = append([]string{}, sorted(resourceKeys)...)
	}
	return selection
}

func sorted(keys []string) []string {
	keys = slices.Clone(keys)
	slices.Sort(keys)
	return slices.Compact(keys)
}

// String is the value of span.signature.coverage.
func (s Selection) String() string {
	text := s.Coverage.String()
	if s.ResourceKeys != nil {
		text += ";r=" + joined(s.ResourceKeys)
	}
	if len(s.Exclude) > 0 {
		text += ";x=" + joined(s.Exclude)
	}
	return text
}

var escape = strings.NewReplacer("%", "%25", ",", "%2C", ";", "%3B", "=", "%3D")

func joined(keys []string) string {
	escaped := make([]string, len(keys))
	for i, key := range keys {
		escaped[i] = escape.Replace(key)
	}
	return strings.Join(escaped, ",")
}

// ParseSelection reads a value of span.signature.coverage.
func ParseSelection(text string) (Selection, error) {
	parts := strings.Split(text, ";")
	coverage, err := ParseCoverage(parts[0])
	if err != nil {
		return Selection{}, err
	}
	selection := Selection{Coverage: coverage}
	rest := parts[1:]
	if len(rest) > 0 && strings.HasPrefix(rest[0], "r=") {
		if selection.ResourceKeys, err = split(rest[0][2:]); err != nil {
			return Selection{}, err
		}
		rest = rest[1:]
	}
	if len(rest) > 0 && strings.HasPrefix(rest[0], "x=") {
		if selection.Exclude, err = split(rest[0][2:]); err != nil {
			return Selection{}, err
		}
		if len(selection.Exclude) == 0 {
			return Selection{}, errors.New("x= excludes nothing")
		}
		rest = rest[1:]
	}
	if len(rest) > 0 {
		return Selection{}, fmt.Errorf("%q is no part of a coverage", rest[0])
	}
	return selection, nil
}

func split(text string) ([]string, error) {
	keys := []string{}
	if text == "" {
		return keys, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		key, err := unescaped(part)
		if err != nil {
			return nil, err
		}
		if len(keys) > 0 && keys[len(keys)-1] >= key {
			return nil, fmt.Errorf("key %q is out of order", key)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func unescaped(text string) (string, error) {
	if strings.Contains(text, "=") {
		return "", fmt.Errorf("%q has an = that is not percent-encoded", text)
	}
	var key strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			key.WriteByte(text[i])
			continue
		}
		if i+2 >= len(text) {
			return "", fmt.Errorf("%q is cut short after a %%", text)
		}
		value, err := strconv.ParseUint(text[i+1:i+3], 16, 8)
		if err != nil {
			return "", fmt.Errorf("%q is not percent-encoded", text)
		}
		key.WriteByte(byte(value))
		i += 2
	}
	if !utf8.ValidString(key.String()) {
		return "", fmt.Errorf("%q is no UTF-8", text)
	}
	return key.String(), nil
}
