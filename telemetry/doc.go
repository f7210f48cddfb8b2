// Package telemetry measures how notifications are delivered.
package telemetry
