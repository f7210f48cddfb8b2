package storetest

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"
)

// diff describes the first difference between two values. It returns "" if they are equal.
func diff(got, want any) string { return differ(reflect.ValueOf(got), reflect.ValueOf(want)) }

// differ adds the path to a difference on the way back, so that equal values need no
// path.
func differ(got, want reflect.Value) string {
	switch {
	case !got.IsValid() && !want.IsValid():
		return ""
	case got.IsValid() != want.IsValid() || got.Type() != want.Type():
		return differs(got, want)
	case got.Type() == reflect.TypeFor[time.Time]():
		if !got.Interface().(time.Time).Equal(want.Interface().(time.Time)) {
			return differs(got, want)
		}
		return ""
	}
	switch got.Kind() {
	case reflect.Struct:
		for i := range got.NumField() {
			if d := differ(got.Field(i), want.Field(i)); d != "" {
				return "." + got.Type().Field(i).Name + d
			}
		}
	case reflect.Slice:
		if got.Len() != want.Len() {
			return fmt.Sprintf(": got %d, want %d of them: got %s, want %s", got.Len(), want.Len(), short(got), short(want))
		}
		for i := range got.Len() {
			if d := differ(got.Index(i), want.Index(i)); d != "" {
				return fmt.Sprintf("[%d]%s", i, d)
			}
		}
	case reflect.Map:
		for _, k := range keysOf(got, want) {
			if d := differ(got.MapIndex(k), want.MapIndex(k)); d != "" {
				return fmt.Sprintf("[%q]%s", k, d)
			}
		}
	case reflect.Array: // of bytes, such as an ID or a digest
		if got.Interface() != want.Interface() {
			return differs(got, want)
		}
	case reflect.Pointer, reflect.Interface:
		return differ(got.Elem(), want.Elem())
	default:
		if !got.Equal(want) {
			return differs(got, want)
		}
	}
	return ""
}

// keysOf returns the keys of both maps, sorted.
func keysOf(a, b reflect.Value) []reflect.Value {
	keys := map[string]reflect.Value{}
	for _, k := range append(a.MapKeys(), b.MapKeys()...) {
		keys[k.String()] = k
	}
	out := make([]reflect.Value, 0, len(keys))
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		out = append(out, keys[k])
	}
	return out
}

func differs(got, want reflect.Value) string {
	return fmt.Sprintf(": got %s, want %s", short(got), short(want))
}

// short formats a value, and only the beginning of a long one.
func short(v reflect.Value) string {
	if !v.IsValid() {
		return "none"
	}
	s := fmt.Sprintf("%v", v)
	if v.Kind() == reflect.String {
		s = fmt.Sprintf("%q", v)
	}
	if len(s) > 200 {
		s = s[:200] + "…"
	}
	if v.Type().PkgPath() == "" && v.Kind() != reflect.Slice {
		s += " (" + v.Type().String() + ")" // the types of custom fields can differ
	}
	return s
}
