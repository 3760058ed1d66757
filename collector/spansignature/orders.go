package spansignature

import (
	"bytes"
	"slices"
)

const maxOrderKeys = 16 << 10 // bytes of a map's keys; the order of more is not remembered

// orders remembers how maps were sorted, as most spans have the keys of a span before them, in the same order.
type orders [64]order

// order is how pairs with these keys, in this order, are to be sorted.
type order struct {
	keys   []byte  // as they stand in the message
	places []int32 // none if they are in order
}

// of tells in which order to take pairs, or nothing if they are in order, and whether their keys are all different.
func (o *orders) of(message []byte, pairs []pair) (places []int32, unique bool) {
	length := 0
	for _, each := range pairs {
		length += int(each.value - each.key)
	}
	known := &o[(length+31*len(pairs))%len(o)]
	if length > maxOrderKeys {
		known = &order{}
	}
	if known.is(message, pairs, length) {
		return known.places, true
	}
	unique = known.learn(message, pairs)
	return known.places, unique
}

func (o *order) is(message []byte, pairs []pair, length int) bool {
	if length != len(o.keys) {
		return false
	}
	rest := o.keys
	for _, each := range pairs {
		key := message[each.key:each.value]
		if len(key) > len(rest) || !bytes.Equal(key, rest[:len(key)]) {
			return false
		}
		rest = rest[len(key):]
	}
	return true
}

func (o *order) learn(message []byte, pairs []pair) (unique bool) {
	o.keys, o.places = o.keys[:0], o.places[:0]
	for place := range pairs {
		o.places = append(o.places, int32(place))
	}
	compare := func(a, b int32) int {
		return bytes.Compare(message[pairs[a].key+4:pairs[a].value], message[pairs[b].key+4:pairs[b].value])
	}
	slices.SortFunc(o.places, compare)
	for i := 1; i < len(pairs); i++ {
		if compare(o.places[i-1], o.places[i]) == 0 {
			return false
		}
	}
	for _, each := range pairs {
		o.keys = append(o.keys, message[each.key:each.value]...)
	}
	if slices.IsSorted(o.places) {
		o.places = o.places[:0]
	}
	return true
}
