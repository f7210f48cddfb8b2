package web

import (
	"context"
	"fmt"
	"time"

	"github.com/ticketkit/ticket"
)

// explainFunc explains a clock of a ticket; see ConsoleConfig.Explain.
type explainFunc func(ctx context.Context, a ticket.Actor, id ticket.ID, metric string, at time.Time) (fmt.Stringer, error)

// figurePages are the parts of the console that show figures, deliveries, mails and diagrams.
type figurePages struct {
	figures   *figures
	mails     Mails
	agreement policySpec
	policies  []policy
	why       explainFunc
}

// addFigures adds the pages. Those that the configuration has nothing for are not there.
func (c *Console) addFigures(cfg *ConsoleConfig) (err error) {
	s := c.site
	if c.figures, err = newFigures(s, cfg.Reports); err != nil {
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
	if c.why = cfg.Explain; c.why != nil {
		s.get("tickets/{number}/explain/{clock}", c.explain)
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
