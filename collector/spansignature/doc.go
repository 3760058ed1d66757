// Package spansignature writes and checks signatures over whole spans, format otel-span-signature/v1.
//
// The format is that of spec/otel-span-signature-v1.md. Nothing here knows where keys come from.
package spansignature
