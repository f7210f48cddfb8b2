// Package webtests tests the pages and the REST interface as their users see them: in
// Chromium, with the checks of axe-core, on the desk of the example desk. It has tests
// only.
//
// The tests of the pages need the flag -browser, which make webtest sets, and Chromium and
// axe-core in the folder node_modules; make servers installs both. Without the flag they are
// skipped. They write a picture of each page into the folder screenshots.
package webtests
