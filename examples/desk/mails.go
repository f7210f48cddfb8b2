package main

import "strings"

// mails arrive at the end of the log.
var mails = []struct{ from, raw string }{
	{"ole@example.com", `
From: Ole <ole@example.com>
To: help@desk.example.com
Subject: Lamp flickers
Message-ID: <1@example.com>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

The lamp Glow flickers when it is dimmed. Is that a known fault?
`},
	{"shop@example.com", `
To: help@desk.example.com
Subject: no sender
Message-ID: <2@example.com>

This mail has no sender, so nobody could be answered.
`},
	{"robot@example.com", strings.Repeat("Received: from a.example.com by b.example.com\n", 120) + `
From: Robot <robot@example.com>
To: help@desk.example.com
Subject: Report of the night
Message-ID: <4@example.com>

All jobs have ended.
`},
	{"broken@example.com", `
From: broken address
To: help@desk.example.com
Subject: Where is my order?
Message-ID: <3@example.com>

I wrote twice already.
`},
}
