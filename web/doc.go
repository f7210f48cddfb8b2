// Package web is a service desk with a face: pages for customers and a console for agents, to
// mount into your own server.
//
// [NewCustomer] and [NewConsole] return an [http.Handler] each. They need no scripts in the
// browser and no build step. They have no login of their own: a function of your application
// says who makes a request. Every template and every text can be replaced.
package web
