package spansignature

import (
	"encoding/binary"
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// pair is where a key and its value stand in the message. It holds no pointer: moving pointers about, as sorting does,
// is dear while garbage is collected.
type pair struct{ key, value, end int32 }

// attributes writes a map without reserved and excluded keys and, if only is not nil, without those not in it.
func (e *Encoder) attributes(out []byte, attributes pcommon.Map, excluded, only []string) []byte {
	out = u32(out, 0)
	start, first := len(out), len(e.pairs)
	for key, value := range attributes.All() {
		if IsReserved(key) || contains(excluded, key) || only != nil && !contains(only, key) {
			continue
		}
		if out = e.pair(out, key, value); e.err != nil {
			break
		}
	}
	return e.sort(out, start, first)
}

func contains(keys []string, key string) bool {
	if len(keys) == 0 {
		return false
	}
	_, found := slices.BinarySearch(keys, key)
	return found
}

func (e *Encoder) mapping(out []byte, values pcommon.Map) []byte {
	out = u32(out, 0)
	start, first := len(out), len(e.pairs)
	for key, value := range values.All() {
		if out = e.pair(out, key, value); e.err != nil {
			break
		}
	}
	return e.sort(out, start, first)
}

func (e *Encoder) pair(out []byte, key string, value pcommon.Value) []byte {
	written := pair{key: int32(len(out))}
	out = e.text(out, key)
	written.value = int32(len(out))
	out = e.value(out, value)
	written.end = int32(len(out))
	e.pairs = append(e.pairs, written)
	return out
}

// sort ends a map, whose pairs from first on begin at start: their number goes before it, and they are put into the
// order of their keys.
func (e *Encoder) sort(out []byte, start, first int) []byte {
	pairs := e.pairs[first:]
	e.pairs = e.pairs[:first]
	binary.BigEndian.PutUint32(out[start-4:], uint32(len(pairs)))
	if e.err != nil || len(pairs) < 2 {
		return out
	}
	order, unique := e.orders.of(out, pairs)
	if !unique {
		return e.fail(out, ErrDuplicateKey)
	}
	if len(order) == 0 {
		return out
	}
	end := len(out)
	for _, place := range order {
		out = append(out, out[pairs[place].key:pairs[place].end]...)
	}
	copy(out[start:], out[end:])
	return out[:end]
}
