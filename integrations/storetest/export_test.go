package storetest

// Rules returns the texts of all rules of Test.
func Rules() []string {
	var texts []string
	for _, rule := range rules {
		texts = append(texts, rule.text)
	}
	return texts
}
