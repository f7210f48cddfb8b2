package ordeal

import (
	"encoding/binary"
	"errors"
	"os"
	"sync"
	"time"
)

// A Clock is shared by all processes of a run through a file. It is faster than real
// time. One process sets its pace.
type Clock struct {
	f  *os.File
	mu sync.Mutex // held while the pace is set
}

// A pace says how fast the clock goes from a moment on.
type pace struct {
	real, fake time.Time // the same moment
	rate       int64     // seconds of the clock in a real second
}

const paceSize = 4 * 8

// NewClock creates the file of a clock that starts at an instant, at the pace of real time.
func NewClock(path string, start time.Time) (*Clock, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	c := &Clock{f: f}
	return c, c.write(pace{time.Now(), start, 1})
}

// OpenClock opens the clock of another process.
func OpenClock(path string) (*Clock, error) {
	f, err := os.Open(path)
	return &Clock{f: f}, err
}

// Path returns the path of the file.
func (c *Clock) Path() string { return c.f.Name() }

func (c *Clock) write(p pace) error {
	var b [paceSize]byte
	real, fake := p.real.UnixNano(), p.fake.UnixNano()
	for i, v := range []int64{real, fake, p.rate, real ^ fake ^ p.rate} {
		binary.LittleEndian.PutUint64(b[i*8:], uint64(v))
	}
	_, err := c.f.WriteAt(b[:], 0)
	return err
}

// read returns the current pace.
func (c *Clock) read() (pace, error) {
	for range 1000 {
		var b [paceSize]byte
		if _, err := c.f.ReadAt(b[:], 0); err != nil {
			return pace{}, err
		}
		var v [4]int64
		for i := range v {
			v[i] = int64(binary.LittleEndian.Uint64(b[i*8:]))
		}
		if v[0]^v[1]^v[2] == v[3] { // otherwise it is being written
			return pace{time.Unix(0, v[0]), time.Unix(0, v[1]), v[2]}, nil
		}
	}
	return pace{}, errors.New("the file of the clock contains no time")
}

// at returns the clock's time at a real moment.
func (p pace) at(real time.Time) time.Time {
	return p.fake.Add(real.Sub(p.real) * time.Duration(p.rate))
}

// Now is the time for the desks of a run. If the clock cannot be read, it ends the
// process, because later results would mean nothing.
func (c *Clock) Now() time.Time {
	p, err := c.read()
	if err != nil {
		panic(err)
	}
	return p.at(time.Now())
}

// SetRate changes the rate of the clock: its seconds in a real second.
func (c *Clock) SetRate(rate int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, err := c.read()
	if err != nil {
		return err
	}
	now := time.Now()
	return c.write(pace{now, p.at(now), rate})
}
