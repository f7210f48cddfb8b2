package web

// ticketRoutes adds the pages on which agents work, with examples of their data.
func (c *Console) ticketRoutes() {
	s := c.site
	s.get("tickets", c.queue)
	s.get("tickets/{number}", c.ticket)
	s.post("tickets/{number}", c.act)
	s.get("tickets/{number}/files/{sum}", c.file)
	s.get("tickets/{number}/clocks/{metric}", c.clock)
	s.post("next", c.next)
	s.get("search", c.search)
	s.get("merge", c.merge)
	s.post("merge", c.doMerge)
	s.get("bulk", c.bulk)
	s.post("bulk", c.doBulk)
	s.get("events", c.events)
	c.examples()
}
