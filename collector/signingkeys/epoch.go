package signingkeys

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

const (
	dayLayout    = "2006-01-02"
	minuteLayout = "2006-01-02T15:04Z"
)

// epochAt names the interval that a moment lies in: the day on which it begins or, where intervals are not of
// whole days, the minute.
func epochAt(now time.Time, interval time.Duration) (name string, start time.Time) {
	start = time.Unix(0, now.UnixNano()-now.UnixNano()%int64(interval)).UTC()
	if interval%(24*time.Hour) == 0 {
		return start.Format(dayLayout), start
	}
	return start.Format(minuteLayout), start
}

// keyID is the name of a key of a span.
type keyID struct {
	name    string
	version int
	epoch   string
}

func (k keyID) String() string { return k.name + "/" + strconv.Itoa(k.version) + "/" + k.epoch }

var errNotAKeyID = errors.New("not of the form name/version/epoch")

// parseKeyID reads what a span says, which may be anything.
func parseKeyID(text string) (id keyID, begins time.Time, err error) {
	rest, epoch, found := cutLast(text, "/")
	name, number, alsoFound := cutLast(rest, "/")
	version, err := strconv.Atoi(number)
	if !found || !alsoFound || err != nil || version < 1 || strconv.Itoa(version) != number {
		return keyID{}, time.Time{}, errNotAKeyID
	}
	layout := dayLayout
	if strings.Contains(epoch, "T") {
		layout = minuteLayout
	}
	begins, err = time.Parse(layout, epoch)
	return keyID{name, version, epoch}, begins, err
}
