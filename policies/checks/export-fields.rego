# METADATA
# title: Customers leave the house without what identifies them twice
# description: >-
#   A check of our own in Rego, with conftest's conventions: each `deny` keeps
#   the gate shut, each `warn` is shown. `input` is what is proposed.
# custom:
#   exceptions: { approvers: [privacy] }
package countersign.exports

import rego.v1

deny contains finding if {
	some item in input.items
	"email" in item.parameters.fields
	"phone" in item.parameters.fields
	finding := {"msg": "e-mail and phone leave together", "remedy": "ask for one of the two"}
}

warn contains "more than three fields about each customer" if {
	some item in input.items
	count(item.parameters.fields) > 3
}
