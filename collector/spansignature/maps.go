package spansignature

import (
	"bytes"
	"encoding/binary"
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// pair is where a key and its value stand in the buffer, and in their map. It holds no pointer: moving pointers
// about, as sorting does, is dear while garbage is collected.
type pair struct{ key, value, end, place int32 }

// attributes writes a map without reserved and excluded keys and, if only is not nil, without those not in it.
func (e *Encoder) attributes(attributes pcommon.Map, excluded, only []string) error {
	start, first := e.open()
	for key, value := range attributes.All() {
		if IsReserved(key) || contains(excluded, key) || only != nil && !contains(only, key) {
			continue
		}
		if err := e.pair(key, value, first); err != nil {
			return err
		}
	}
	return e.close(start, first)
}

func contains(keys []string, key string) bool {
	if len(keys) == 0 {
		return false
	}
	_, found := slices.BinarySearch(keys, key)
	return found
}

func (e *Encoder) mapping(values pcommon.Map) error {
	start, first := e.open()
	for key, value := range values.All() {
		if err := e.pair(key, value, first); err != nil {
			return err
		}
	}
	return e.close(start, first)
}

// open begins a map, with room for the number of its keys, at start; its first pair will be the one numbered first.
func (e *Encoder) open() (start, first int) {
	e.u32(0)
	return len(e.buffer), len(e.pairs)
}

func (e *Encoder) pair(key string, value pcommon.Value, first int) error {
	written := pair{key: int32(len(e.buffer)), place: int32(len(e.pairs) - first)}
	if err := e.text(key); err != nil {
		return err
	}
	written.value = int32(len(e.buffer))
	if err := e.value(value); err != nil {
		return err
	}
	written.end = int32(len(e.buffer))
	e.pairs = append(e.pairs, written)
	return nil
}

// close puts the pairs of a map into the order of their keys.
func (e *Encoder) close(start, first int) error {
	pairs := e.pairs[first:]
	e.pairs = e.pairs[:first]
	binary.BigEndian.PutUint32(e.buffer[start-4:], uint32(len(pairs)))
	if e.increasing(pairs) {
		return nil
	}
	pairs = e.sorted(pairs)
	if !e.increasing(pairs) {
		return ErrDuplicateKey
	}
	end := len(e.buffer)
	for _, each := range pairs {
		e.buffer = append(e.buffer, e.buffer[each.key:each.end]...)
	}
	copy(e.buffer[start:], e.buffer[end:])
	e.buffer = e.buffer[:end]
	return nil
}

// sorted tries the order of the last map of that many keys first, as neighbouring spans mostly have the same.
func (e *Encoder) sorted(pairs []pair) []pair {
	if len(pairs) >= len(e.orders) {
		slices.SortFunc(pairs, e.compare)
		return pairs
	}
	order := &e.orders[len(pairs)]
	e.placed = e.placed[:0]
	for _, place := range *order {
		e.placed = append(e.placed, pairs[place])
	}
	if len(e.placed) > 0 && e.increasing(e.placed) {
		return e.placed
	}
	slices.SortFunc(pairs, e.compare)
	*order = (*order)[:0]
	for _, each := range pairs {
		*order = append(*order, each.place)
	}
	return pairs
}

func (e *Encoder) increasing(pairs []pair) bool {
	for i := 1; i < len(pairs); i++ {
		if e.compare(pairs[i-1], pairs[i]) >= 0 {
			return false
		}
	}
	return true
}

func (e *Encoder) compare(a, b pair) int {
	return bytes.Compare(e.buffer[a.key+4:a.value], e.buffer[b.key+4:b.value])
}

