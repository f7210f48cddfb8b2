//go:build race

package storetest

// raceDetector says that the tests run with the race detector.
const raceDetector = true
