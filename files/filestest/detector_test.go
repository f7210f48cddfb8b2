//go:build !race

package filestest

// raceDetector says that the tests run with the race detector.
const raceDetector = false
