package spansignature

import (
	"bytes"
	"encoding/binary"
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// pair is where a key and its value stand in the message, and in their map. It holds no pointer: moving pointers
// about, as sorting does, is dear while garbage is collected.
type pair struct{ key, value, end, place int32 }

// sorter holds what maps need while they are written.
type sorter struct {
	pairs  []pair       // of the maps that are being written, the innermost last
	placed []pair       // of the map that is being sorted
	orders [128][]int32 // how the last map of so many keys that was not in order was to be sorted
}

// attributes writes a map without reserved and excluded keys and, if only is not nil, without those not in it.
func (e *Encoder) attributes(out []byte, attributes pcommon.Map, excluded, only []string) []byte {
	out = u32(out, 0)
	start, first := len(out), len(e.sorter.pairs)
	for key, value := range attributes.All() {
		if IsReserved(key) || contains(excluded, key) || only != nil && !contains(only, key) {
			continue
		}
		if out = e.pair(out, key, value, first); e.err != nil {
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
	start, first := len(out), len(e.sorter.pairs)
	for key, value := range values.All() {
		if out = e.pair(out, key, value, first); e.err != nil {
			break
		}
	}
	return e.sort(out, start, first)
}

// pair writes a key and its value; first is the number of the map's first pair.
func (e *Encoder) pair(out []byte, key string, value pcommon.Value, first int) []byte {
	written := pair{key: int32(len(out)), place: int32(len(e.sorter.pairs) - first)}
	out = e.text(out, key)
	written.value = int32(len(out))
	out = e.value(out, value)
	written.end = int32(len(out))
	e.sorter.pairs = append(e.sorter.pairs, written)
	return out
}

// sort ends a map: its number of pairs goes before start, and they are put into the order of their keys.
func (e *Encoder) sort(out []byte, start, first int) []byte {
	pairs := e.sorter.pairs[first:]
	e.sorter.pairs = e.sorter.pairs[:first]
	binary.BigEndian.PutUint32(out[start-4:], uint32(len(pairs)))
	if e.err != nil || increasing(out, pairs) {
		return out
	}
	pairs = e.sorter.sorted(out, pairs)
	if !increasing(out, pairs) {
		return e.fail(out, ErrDuplicateKey)
	}
	end := len(out)
	for _, each := range pairs {
		out = append(out, out[each.key:each.end]...)
	}
	copy(out[start:], out[end:])
	return out[:end]
}

// sorted tries the order of the last map of that many keys first, as neighbouring spans mostly have the same.
func (s *sorter) sorted(out []byte, pairs []pair) []pair {
	sort := func() { slices.SortFunc(pairs, func(a, b pair) int { return compare(out, a, b) }) }
	if len(pairs) >= len(s.orders) {
		sort()
		return pairs
	}
	order := &s.orders[len(pairs)]
	s.placed = s.placed[:0]
	for _, place := range *order {
		s.placed = append(s.placed, pairs[place])
	}
	if len(s.placed) > 0 && increasing(out, s.placed) {
		return s.placed
	}
	sort()
	*order = (*order)[:0]
	for _, each := range pairs {
		*order = append(*order, each.place)
	}
	return pairs
}

func increasing(out []byte, pairs []pair) bool {
	for i := 1; i < len(pairs); i++ {
		if compare(out, pairs[i-1], pairs[i]) >= 0 {
			return false
		}
	}
	return true
}

func compare(out []byte, a, b pair) int {
	return bytes.Compare(out[a.key+4:a.value], out[b.key+4:b.value])
}
