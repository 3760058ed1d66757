package signingkeys

import (
	"container/list"
	"context"
	"sync"
	"time"

	"betrace/collector/spansignature"
)

// slot is what a key is cached under. Version 0 is the one to sign by now.
type slot struct {
	format  spansignature.Format
	name    string
	version int
	epoch   string
}

// entry is a key, or why there is none.
type entry struct {
	slot     slot
	key      *spansignature.Key
	err      error
	failures int
	after    time.Time     // when to ask again
	asking   chan struct{} // closed when the question on its way is answered; nil if there is none
}

// cache keeps the keys that were used last. Nothing is asked of a provider while it is locked.
type cache struct {
	mutex   sync.Mutex
	entries map[slot]*list.Element
	order   *list.List // of *entry, the last used first
	limit   int
}

func newCache(limit int) *cache {
	return &cache{entries: map[slot]*list.Element{}, order: list.New(), limit: limit}
}

// at finds or makes an entry. The mutex is held.
func (c *cache) at(slot slot) *entry {
	if element, found := c.entries[slot]; found {
		c.order.MoveToFront(element)
		return element.Value.(*entry)
	}
	made := &entry{slot: slot}
	c.entries[slot] = c.order.PushFront(made)
	for oldest := c.order.Back(); c.order.Len() > c.limit && oldest != nil; {
		before := oldest.Prev()
		if oldest.Value.(*entry).asking == nil {
			c.order.Remove(oldest)
			delete(c.entries, oldest.Value.(*entry).slot)
		}
		oldest = before
	}
	return made
}

// known is the key of a slot that is no older than a limit, without asking for it.
func (c *cache) known(slot slot, now time.Time, limit time.Duration) *spansignature.Key {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if element, found := c.entries[slot]; found {
		if key := element.Value.(*entry).key; key != nil && now.Sub(key.Fetched) < limit {
			return key
		}
	}
	return nil
}

// refused says whether the provider has turned down the key of a slot.
func (c *cache) refused(slot slot) bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	element, found := c.entries[slot]
	return found && outcomeOf(element.Value.(*entry).err) == refused
}

// count is how many keys there are, and since when the oldest of those used to sign has not been confirmed.
func (c *cache) count(now time.Time) (keys int, age time.Duration) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	newest := map[string]time.Time{}
	for element := c.order.Front(); element != nil; element = element.Next() {
		each := element.Value.(*entry)
		if each.key == nil {
			continue
		}
		keys++
		if each.slot.version == 0 && each.key.Fetched.After(newest[each.slot.name]) {
			newest[each.slot.name] = each.key.Fetched
		}
	}
	for _, fetched := range newest {
		age = max(age, now.Sub(fetched))
	}
	return keys, age
}

// get is the key of a slot: from the cache, asked for anew in the background when it is old, or waited for when there
// is none that may be used.
func (k *Keys) get(ctx context.Context, slot slot) (*spansignature.Key, error) {
	now := k.now()
	k.cache.mutex.Lock()
	e := k.cache.at(slot)
	usable := e.key != nil && now.Sub(e.key.Fetched) < k.config.Cache.MaxStale
	fresh := usable && now.Sub(e.key.Fetched) < k.config.Cache.RefreshInterval
	key := e.key
	if fresh {
		k.cache.mutex.Unlock()
		return key, nil
	}
	if e.asking == nil {
		if now.Before(e.after) {
			err := e.err
			k.cache.mutex.Unlock()
			if usable {
				return key, nil
			}
			return nil, err
		}
		if !k.limiter.AllowN(now, 1) {
			k.cache.mutex.Unlock()
			if usable {
				return key, nil
			}
			return nil, errTooManyRequests
		}
		e.asking = make(chan struct{})
		k.running.Go(func() { k.ask(e) })
	}
	asking := e.asking
	k.cache.mutex.Unlock()
	if usable {
		return key, nil
	}
	select {
	case <-asking:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	k.cache.mutex.Lock()
	defer k.cache.mutex.Unlock()
	if e.key == nil || k.now().Sub(e.key.Fetched) >= k.config.Cache.MaxStale {
		return nil, e.err
	}
	return e.key, nil
}

// ask asks the provider, and notes what it answers.
func (k *Keys) ask(e *entry) {
	key, err := k.fetchPatiently(e.slot)
	now := k.now()
	k.cache.mutex.Lock()
	defer k.cache.mutex.Unlock()
	close(e.asking)
	e.asking, e.err = nil, err
	switch outcomeOf(err) {
	case succeeded:
		key.Fetched = now
		e.key, e.failures, e.after = key, 0, time.Time{}
		return
	case transient:
		e.after = now.Add(backoff(e.failures))
	case refused, absent:
		e.key = nil
		e.after = now.Add(k.config.Cache.RefusedFor)
	case denied:
		e.after = now.Add(k.config.Cache.RefusedFor)
	}
	e.failures++
}
