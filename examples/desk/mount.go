package main

import "net/http"

// mount mounts the handlers.
func (s *server) mount(_ *http.ServeMux) error {
	return nil
}
