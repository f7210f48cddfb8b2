package ticket

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
)

// canonical returns the identity of a request in a form for JSON: the content and
// the actor. Requests that mean the same have the same form. It does not depend on
// later knowledge of a person, the form of empty lists, the order of tags, people
// and files, or the place where your application keeps a file. Zero values are left
// out, so a field that is added to a type later changes nothing for requests without
// it.
//
// It takes requests as the desk has cleaned them.
func canonical(a Actor, of ...any) any {
	list := make([]any, 0, len(of)+2)
	for _, v := range of {
		list = append(list, given(reflect.ValueOf(v)))
	}
	return append(list, a.Role, identity(a.Person))
}

// identity identifies a person; see [Person.Same].
func identity(p Person) any {
	switch {
	case p.ID != "":
		return map[string]string{"id": p.ID}
	case p.Email != "":
		return map[string]string{"email": asciiLower(p.Email)}
	default:
		return map[string]string{"phone": p.Phone}
	}
}

// given returns the non-zero content of v; nil if there is none.
func given(v reflect.Value) any {
	if !v.IsValid() || v.IsZero() {
		return nil
	}
	switch x := v.Interface().(type) {
	case Person:
		return identity(x)
	case Attachment:
		if x.SHA256 != (Digest{}) {
			x.Ref = "" // the identity of a file does not depend on its place
		}
		return x
	case Fields:
		if len(x) == 0 {
			return nil
		}
		return x // a zero is a value there, and nil removes a field
	case encoding.TextMarshaler, json.Marshaler:
		return x
	}
	switch v.Kind() {
	case reflect.Pointer:
		return given(v.Elem())
	case reflect.Slice:
		list := make([]any, v.Len())
		for i := range list {
			if list[i] = given(v.Index(i)); list[i] == nil {
				list[i] = v.Index(i).Interface() // a zero element stays an element of the list
			}
		}
		return unordered(list)
	case reflect.Struct:
		fields := map[string]any{}
		for i, t := 0, v.Type(); i < t.NumField(); i++ {
			if t.Field(i).IsExported() {
				if f := given(v.Field(i)); f != nil {
					fields[t.Field(i).Name] = f
				}
			}
		}
		if len(fields) == 0 {
			return nil
		}
		return fields
	default:
		return v.Interface()
	}
}

// unordered is a list whose order means nothing, as in requests: applications often
// build them from a map. Duplicates are removed.
func unordered(list []any) any {
	var sorted []string
	for _, v := range list {
		b, err := json.Marshal(v)
		if err != nil {
			return list // encoding the whole request fails in the same way
		}
		sorted = append(sorted, string(b))
	}
	slices.Sort(sorted)
	var out []json.RawMessage
	for _, s := range slices.Compact(sorted) {
		out = append(out, json.RawMessage(s))
	}
	if out == nil {
		return nil
	}
	return out
}
