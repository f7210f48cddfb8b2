package web

// figurePages are the parts of the console that show figures, deliveries, mails and diagrams.
type figurePages struct {
	figures   *figures
	mails     Mails
	agreement policySpec
	policies  []policy
}

// addFigures adds the pages. Those that the configuration has nothing for are not there.
func (c *Console) addFigures() (err error) {
	s, cfg := c.site, &c.cfg
	if c.figures, err = newFigures(c, cfg.Reports); err != nil {
		return err
	}
	s.get("deliveries", c.deliveries)
	s.post("deliveries", c.redrive)
	s.post("deliveries/{id}", c.mark)
	s.get("workflow", c.workflow)
	if c.mails = cfg.Mails; c.mails != nil {
		s.get("mails", c.listMails)
		s.get("mails/{id}", c.showMail)
		s.post("mails/{id}", c.actOnMail)
	}
	if cfg.Policies != nil {
		if c.agreement, err = readPolicies(cfg.Policies); err != nil {
			return err
		}
		c.policies = c.agreement.Policies
		s.get("policies", c.showPolicies)
	}
	lists, mails := mailExamples(s)
	s.fixture("figures_deliveries.html", deliveriesExamples(s)...)
	s.fixture("figures_mails.html", lists...)
	s.fixture("figures_mail.html", mails...)
	s.fixture("figures_workflow.html", workflowExamples(s)...)
	s.fixture("figures_policies.html", policiesExamples(s)...)
	s.fixture("figures_explain.html", explainExamples(s)...)
	return nil
}
