package site.night

values(category, id) := {v | some a in category.Attribute; a.AttributeId == id; some v in a.Value}

long if {
	some seconds in values(
		input.Request.Environment,
		"https://gatehouse-authz.github.io/xacml/attribute/requested-cpu-time",
	)
	seconds > 3600
}

# Long jobs wait for the night, except on Sundays.
decision := {"effect": "deny", "reason": "jobs of more than an hour start after 20:00 UTC"} if {
	long
	time.clock(time.now_ns())[0] < 20
	time.weekday(time.now_ns()) != "Sunday"
}
