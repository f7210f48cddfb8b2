package sla

// SpanKind says whether a span counts.
type SpanKind string

const (
	SpanCounted  SpanKind = "counted"
	SpanPaused   SpanKind = "paused"
	SpanFinished SpanKind = "finished"
	SpanMerged   SpanKind = "merged"
)

type MomentKind string

const (
	MomentStarted  MomentKind = "started"
	MomentChanged  MomentKind = "changed"
	MomentPromised MomentKind = "promised"
	MomentStopped  MomentKind = "stopped"
	MomentResumed  MomentKind = "resumed"
)
