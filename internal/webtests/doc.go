// Package webtests tests the pages and the REST interface as their users see them: in
// Chromium, with the checks of axe-core, on the desk of the example desk. It has tests
// only.
//
// The tests need Chromium, and axe-core in the folder node_modules; make servers installs
// both. Without them the tests are skipped, unless TICKET_REQUIRE contains chromium. They
// write a picture of each page into the folder screenshots.
package webtests
