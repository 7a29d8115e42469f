use super::*;
#[test]
fn mistakes_in_catalog_are_named_with_their_place() {
    let cases = [
        (
            "catalog.yaml",
            "  crm.note:",
            "  crm:",
            "[unknown-name] agents.yaml:13:15: unknown action `crm.note`; known: `campaigns.send`, `crm`, `payments.create`\n\
             [unknown-name] agents.yaml:19:31: unknown action `crm.note`; known: `campaigns.send`, `crm`, `payments.create`\n\
             [syntax] catalog.yaml:13:3: `crm` is not an action name: two or more lower-case words joined by dots, as in `payments.create`, 80 characters at most",
        ),
        (
            "catalog.yaml",
            "impact: low ",
            "impct: low ",
            "[syntax] catalog.yaml:18:5: unknown field `impct`; did you mean `impact`?",
        ),
        (
            "catalog.yaml",
            "impact: low ",
            "impact: hihg ",
            "[syntax] catalog.yaml:18:13: unknown value `hihg`; did you mean `high`?",
        ),
        (
            "catalog.yaml",
            "data: [internal] ",
            "data: [internl] ",
            "[syntax] catalog.yaml:19:12: unknown value `internl`; did you mean `internal`?",
        ),
        (
            "catalog.yaml",
            "data: [internal] ",
            "data: [] ",
            "[syntax] catalog.yaml:19:11: `data` is empty; name the classes of data it touches, `public` at least",
        ),
        (
            "catalog.yaml",
            "    summary: Add a note to a customer's record\n",
            "",
            "[syntax] catalog.yaml:16:5: the field `summary` is missing; add it, as in `summary: Pay a supplier`",
        ),
        (
            "catalog.yaml",
            "summary: Add a note to a customer's record",
            "summary: ''",
            "[syntax] catalog.yaml:14:14: `summary` must be one line of 1 to 200 characters",
        ),
        (
            "catalog.yaml",
            "{ kind: none }",
            "{ kind: nnone }",
            "[syntax] catalog.yaml:54:23: unknown value `nnone`; did you mean `none`?",
        ),
        (
            "catalog.yaml",
            "kind: inverse, within",
            "kind: inverse, action: payments.creat, within",
            "[unknown-name] catalog.yaml:101:40: unknown action `payments.creat`; did you mean `payments.create`?",
        ),
        (
            "catalog.yaml",
            "within: 30d\n",
            "within: 30 days\n",
            "[syntax] catalog.yaml:22:15: `30 days` is not a span: a whole number and `s`, `m`, `h` or `d`, 10 years at most",
        ),
        (
            "catalog.yaml",
            "responsible: support-agent",
            "responsible: suport-agent",
            "[unknown-name] catalog.yaml:24:20: unknown agent `suport-agent`; did you mean `support-agent`?",
        ),
        (
            "catalog.yaml",
            "accountable: finance",
            "accountable: finanse",
            "[unknown-name] catalog.yaml:104:20: unknown team or person `finanse`; did you mean `finance`?",
        ),
        (
            "catalog.yaml",
            "consulted: [finance]",
            "consulted: [treasury, alcie]",
            "[unknown-name] catalog.yaml:58:29: unknown team or person `alcie`; did you mean `alice`?",
        ),
        (
            "catalog.yaml",
            "checks: [text]",
            "checks: [txt]",
            "[unknown-name] catalog.yaml:35:14: unknown check `txt`; did you mean `text`?",
        ),
        (
            "catalog.yaml",
            "checks: [text]",
            "checks: text",
            "[syntax] catalog.yaml:35:13: expected a list, found the text `text`; write it as in `checks: [text]`",
        ),
        (
            "catalog.yaml",
            "sensitive: [params.iban]",
            "sensitive: [params.ibn]",
            "[unknown-name] catalog.yaml:121:17: unknown parameter `ibn`; did you mean `iban`?",
        ),
        (
            "catalog.yaml",
            "sensitive: [params.iban]",
            "sensitive: [iban]",
            "[syntax] catalog.yaml:121:17: `iban` is not a parameter; write `params.` and its name",
        ),
        (
            "catalog.yaml",
            "sensitive: [params.iban]",
            "sensitive: [params.supplier_id]",
            "[sensitive] catalog.yaml:98:15: `params.supplier_id` is sensitive and can't stand in the resource; use another parameter\n\
             [sensitive] catalog.yaml:119:15: `params.supplier_id` is sensitive; write `{{ params.supplier_id | mask }}`\n\
             [sensitive] catalog.yaml:125:14: `params.supplier_id` is sensitive and can't stand in a URL, which logs keep; use another parameter",
        ),
        (
            "catalog.yaml",
            "sensitive: [params.iban]",
            "sensitive: [params.amount.minor]",
            "[sensitive] catalog.yaml:119:15: `params.amount.minor` is sensitive; write `{{ params.amount.minor | mask }}`\n\
             [sensitive] catalog.yaml:125:14: `params.amount.minor` is sensitive and can't stand in a URL, which logs keep; use another parameter",
        ),
        (
            "catalog.yaml",
            "sensitive: [params.iban]",
            "sensitive: [params.reference]",
            "[sensitive] catalog.yaml:119:15: `params.reference` is sensitive; write `{{ params.reference | mask }}`",
        ),
        (
            "catalog.yaml",
            "resource: /crm/customers/{customer_id}",
            "resource: /crm/customers/{customer}",
            "[unknown-name] catalog.yaml:17:15: unknown parameter `customer`; known: `customer_id`, `text`",
        ),
        (
            "catalog.yaml",
            "resource: /crm/customers/{customer_id}",
            "resource: crm/customers",
            "[resource] catalog.yaml:17:15: `crm/customers` is not a resource; write a path from `/` whose segments are each a plain name or one `{parameter}`",
        ),
        (
            "catalog.yaml",
            "resource: /crm/customers/{customer_id}",
            "resource: /crm/c-{customer_id}",
            "[resource] catalog.yaml:17:15: the segment `c-{customer_id}` can't be used; write a path from `/` whose segments are each a plain name or one `{parameter}`",
        ),
        (
            "catalog.yaml",
            "resource: /crm/customers/{customer_id}",
            "resource: /crm/../x",
            "[resource] catalog.yaml:17:15: the segment `..` can't be used; write a path from `/` whose segments are each a plain name or one `{parameter}`",
        ),
        (
            "catalog.yaml",
            "required: [customer_id, text]",
            "required: [text]",
            "[resource] catalog.yaml:17:15: `params.customer_id` stands in the resource but is not `required` in the schema\n\
             [connector] catalog.yaml:39:14: `params.customer_id` stands in the URL but is not `required` in the schema",
        ),
        (
            "catalog.yaml",
            "resource: /payments/suppliers/{supplier_id}",
            "resource: /payments/{amount}",
            "[resource] catalog.yaml:98:15: `params.amount` must be `type: string` or `type: integer` to stand here",
        ),
        (
            "catalog.yaml",
            "actions:",
            "actoins:",
            "[syntax] catalog.yaml:11:1: unknown field `actoins`; did you mean `actions`?\n\
             [syntax] catalog.yaml:11:1: the field `actions` is missing",
        ),
        (
            "catalog.yaml",
            "  crm.note:",
            "  campaigns.send: {}\n  crm.note:",
            "[syntax] catalog.yaml:50:3: the key `campaigns.send` appears twice; keep one",
        ),
    ];
    for (file, from, to, answer) in cases {
        assert_eq!(broken(file, from, to), answer, "{from} -> {to}");
    }
}

#[test]
fn mistakes_in_schema_are_named_with_their_place() {
    let cases = [
        (
            "catalog.yaml",
            "      type: object\n      required: [customer_id, text]",
            "      type: array\n      required: [customer_id, text]",
            "[params-schema] catalog.yaml:28:7: the schema of the parameters must say `type: object`",
        ),
        (
            "catalog.yaml",
            "      required: [customer_id, text]",
            "      requierd: [customer_id, text]",
            "[params-schema] catalog.yaml:29:7: unknown schema keyword `requierd`; did you mean `required`?",
        ),
        (
            "catalog.yaml",
            "customer_id: { type: string,",
            "customer_id: { type: strng,",
            "[params-schema] catalog.yaml:31:30: unknown type `strng`; did you mean `string`?",
        ),
        (
            "catalog.yaml",
            "minor: { type: integer,",
            "minor: { type: number,",
            "[params-schema] catalog.yaml:115:28: `number` allows fractions, which readers round differently; use `integer`, money in minor units",
        ),
        (
            "catalog.yaml",
            "minimum: 1,",
            "minimum: 0.5,",
            "[params-schema] catalog.yaml:115:46: `/properties/amount/properties/minor/minimum` is a float; write whole numbers, money in minor units (`1250000` for 12,500.00)",
        ),
        (
            "catalog.yaml",
            "customer_id: { type: string,",
            "customer_id: { $ref: 'https://example.com/x.json',",
            "[params-schema] catalog.yaml:31:30: `https://example.com/x.json` is not in this schema; refer to `#/$defs/...`",
        ),
        (
            "catalog.yaml",
            "customer_id: { type: string,",
            "customer_id: { $id: x, type: string,",
            "[params-schema] catalog.yaml:31:29: `$id` is not supported here; refer by `#/$defs/...`",
        ),
        (
            "catalog.yaml",
            "default: Acme",
            "default: 5",
            "[params-schema] catalog.yaml:67:60: the default does not fit its own schema",
        ),
        (
            "catalog.yaml",
            "pattern: \"^[A-Za-z0-9-]+$\"",
            "pattern: \"([A-Z\"",
            "[params-schema] catalog.yaml:31:76: not a pattern; groups that look around and references back are not supported",
        ),
        (
            "catalog.yaml",
            "pattern: \"^[A-Za-z0-9-]+$\"",
            "pattern: \"(?=x)y\"",
            "[params-schema] catalog.yaml:31:76: not a pattern; groups that look around and references back are not supported",
        ),
        (
            "catalog.yaml",
            "customer_id: { type: string,",
            "customer_id: { $ref: '#/$defs/none',",
            "[params-schema] catalog.yaml:31:30: `#/$defs/none` is not in this schema; define it under `$defs`",
        ),
    ];
    for (file, from, to, answer) in cases {
        assert_eq!(broken(file, from, to), answer, "{from} -> {to}");
    }
}

#[test]
fn mistakes_in_describe_are_named_with_their_place() {
    let cases = [
        (
            "catalog.yaml",
            "Note on customer {{ params.customer_id }}",
            "Note on {{ params.customer }}",
            "[unknown-name] catalog.yaml:34:15: unknown parameter `customer`; known: `customer_id`, `text`",
        ),
        (
            "catalog.yaml",
            "Note on customer {{ params.customer_id }}",
            "Note on {{ params.customer_id",
            "[describe] catalog.yaml:34:15: not a template: unexpected end of input, expected end of variable block",
        ),
        (
            "catalog.yaml",
            "Note on customer {{ params.customer_id }}",
            "Note on {{ customer_id }}",
            "[describe] catalog.yaml:34:15: unknown variable `customer_id`; a template reads `params.name`",
        ),
        (
            "catalog.yaml",
            "Note on customer {{ params.customer_id }}",
            "Note on {{ params }}",
            "[describe] catalog.yaml:34:15: name each parameter, as in `params.amount`; all of them at once can't be shown",
        ),
        (
            "catalog.yaml",
            "{{ params.amount | money }}",
            "{{ params.iban }}",
            "[sensitive] catalog.yaml:119:15: `params.iban` is sensitive; write `{{ params.iban | mask }}`",
        ),
        (
            "catalog.yaml",
            "{{ params.amount | money }}",
            "{{ params.iban | upper }}",
            "[sensitive] catalog.yaml:119:15: `params.iban` is sensitive; write `{{ params.iban | mask }}`",
        ),
    ];
    for (file, from, to, answer) in cases {
        assert_eq!(broken(file, from, to), answer, "{from} -> {to}");
    }
}

#[test]
fn mistakes_in_connector_are_named_with_their_place() {
    let cases = [
        (
            "catalog.yaml",
            "      http:\n        method: POST\n        url: https://crm.example/contacts",
            "      htpp:\n        method: POST\n        url: https://crm.example/contacts",
            "[connector] catalog.yaml:37:7: unknown connector `htpp`; did you mean `http`?",
        ),
        (
            "catalog.yaml",
            "method: POST",
            "method: GET",
            "[connector] catalog.yaml:38:17: `GET` only reads; an action is POST, PUT, PATCH or DELETE",
        ),
        (
            "catalog.yaml",
            "method: POST",
            "method: PSOT",
            "[connector] catalog.yaml:38:17: unknown value `PSOT`; did you mean `POST`?",
        ),
        (
            "catalog.yaml",
            "method: GET",
            "method: DELETE",
            "[connector] catalog.yaml:73:17: an observation only reads; use `GET`, or `POST` for a query",
        ),
        (
            "catalog.yaml",
            "https://bank.example/payments",
            "http://bank.example/payments",
            "[connector] catalog.yaml:136:14: `bank.example` would be called without encryption; write `https://`",
        ),
        (
            "catalog.yaml",
            "https://bank.example/payments",
            "https://10.0.0.1/api/payments",
            "[connector] catalog.yaml:136:14: `10.0.0.1` is a private host; state `allow_private: true` if that is meant",
        ),
        (
            "catalog.yaml",
            "https://bank.example/payments",
            "https://169.254.169.254/latest",
            "[connector] catalog.yaml:136:14: `169.254.169.254` is not a host to call; name another",
        ),
        (
            "catalog.yaml",
            "https://bank.example/payments",
            "https://u:p@bank.example/payments",
            "[connector] catalog.yaml:136:14: `https://u:p@bank.example/payments` carries a user name; credentials do not belong in the catalog",
        ),
        (
            "catalog.yaml",
            "https://bank.example/payments",
            "https://{reference}.example/api/payments",
            "[connector] catalog.yaml:136:14: the host of `https://{reference}.example/api/payments` must be literal; a parameter may fill a path segment or a query value",
        ),
        (
            "catalog.yaml",
            "https://bank.example/payments",
            "https://bank.example/api/x-{reference}",
            "[connector] catalog.yaml:136:14: `x-{reference}` mixes text and parameters; a `{parameter}` must fill the whole path segment",
        ),
        (
            "catalog.yaml",
            "https://bank.example/payments",
            "https://bank.example/api/{refrence}",
            "[unknown-name] catalog.yaml:136:14: unknown parameter `refrence`; did you mean `reference`?",
        ),
        (
            "catalog.yaml",
            "https://bank.example/payments",
            "https://bank.example/api?iban={iban}",
            "[sensitive] catalog.yaml:136:14: `params.iban` is sensitive and can't stand in a URL, which logs keep; use another parameter\n\
             [connector] catalog.yaml:136:14: `params.iban` stands in the URL but is not `required` in the schema",
        ),
        (
            "catalog.yaml",
            "https://bank.example/payments",
            "https://bank.example/a/../b",
            "[connector] catalog.yaml:136:14: `.` and `..` in a URL change its path; write the path out",
        ),
        (
            "catalog.yaml",
            "https://bank.example/payments",
            "https://bank.example/a#b",
            "[connector] catalog.yaml:136:14: `https://bank.example/a#b` has a fragment, which no server sees; remove it",
        ),
        (
            "catalog.yaml",
            "https://bank.example/payments",
            "ftp://bank.example/a",
            "[connector] catalog.yaml:136:14: `ftp://bank.example/a` is not a URL; begin with `https://` and the host",
        ),
        (
            "catalog.yaml",
            "https://bank.example/payments",
            "https://bank.example/a b",
            "[connector] catalog.yaml:136:14: `https://bank.example/a b` contains ` `; write it percent-encoded",
        ),
        (
            "catalog.yaml",
            "timeout: 60s",
            "timeout: 6m",
            "[connector] catalog.yaml:138:18: `6m` is not a timeout; between 1s and 5m",
        ),
        (
            "catalog.yaml",
            "timeout: 60s",
            "timeout: 0s",
            "[connector] catalog.yaml:138:18: `0s` is not a timeout; between 1s and 5m",
        ),
        (
            "catalog.yaml",
            "idempotency_header: Idempotency-Key\n        timeout: 60s",
            "idempotency_header: Authorization",
            "[connector] catalog.yaml:137:29: the header `Authorization` can't carry the idempotency key; use `Idempotency-Key`",
        ),
        (
            "catalog.yaml",
            "idempotency_header: Idempotency-Key\n        timeout: 60s",
            "idempotency_header: 'a b'",
            "[connector] catalog.yaml:137:29: `a b` is not a header name",
        ),
        (
            "catalog.yaml",
            "idempotency_header: Idempotency-Key\n        timeout: 60s",
            "persistent: true",
            "[connector] catalog.yaml:137:21: a call whose shared connection ends is sent again: state `idempotency_header`, if one key acts once, or remove `persistent`",
        ),
        (
            "catalog.yaml",
            "timeout: 60s",
            "headers: {}",
            "[connector] catalog.yaml:138:9: unknown field `headers`; the fields here are `method`, `url`, `body`, `timeout`, `idempotency_header`, `persistent`, `allow_private`, `auth`",
        ),
        (
            "catalog.yaml",
            "amount: ${params.amount}",
            "amount: ${params.amuont}",
            "[unknown-name] catalog.yaml:141:19: unknown parameter `amuont`; did you mean `amount`?",
        ),
        (
            "catalog.yaml",
            "amount: ${params.amount}",
            "amount: 'EUR ${params.amount}'",
            "[connector] catalog.yaml:141:19: `EUR ${params.amount}` is not a place to fill; the whole text must be `${params.name}`, `${proposal.id}`, `${item.id}` or `${step.key}`",
        ),
        (
            "catalog.yaml",
            "amount: ${params.amount}",
            "amount: ${proposal.nonce}",
            "[connector] catalog.yaml:141:19: `${proposal.nonce}` is not a place to fill; the whole text must be `${params.name}`, `${proposal.id}`, `${item.id}` or `${step.key}`",
        ),
        (
            "catalog.yaml",
            "amount: ${params.amount}",
            "'${params.reference}': 1",
            "[connector] catalog.yaml:141:11: the field name `${params.reference}` must be literal",
        ),
        (
            "catalog.yaml",
            "before: /before ",
            "before: segment ",
            "[connector] catalog.yaml:75:17: `segment` is not a JSON pointer; write `/field/inner`",
        ),
        (
            "catalog.yaml",
            "method: GET\n",
            "method: GET\n        body: {}\n",
            "[connector] catalog.yaml:74:15: `GET` sends no body; remove it or write `method: POST`",
        ),
    ];
    for (file, from, to, answer) in cases {
        assert_eq!(broken(file, from, to), answer, "{from} -> {to}");
    }
}

#[test]
fn mistakes_in_tiers_are_named_with_their_place() {
    let cases = [
        (
            "tiers.yaml",
            "rules:",
            "rule:",
            "[syntax] tiers.yaml:9:1: unknown field `rule`; did you mean `rules`?\n\
             [syntax] tiers.yaml:9:1: the field `rules` is missing; add it, as in `rules: [{ tier: high }]`",
        ),
        (
            "tiers.yaml",
            "  - tier: high\n",
            "",
            "[tiers] tiers.yaml:17:5: the last rule must match everything; add `- tier: high` after it",
        ),
        (
            "tiers.yaml",
            "  - { impact: high, tier: high }",
            "  - tier: low\n  - { impact: high, tier: high }",
            "[tiers] tiers.yaml:10:5: rule 1 matches everything, so the rules after it never apply; move it to the end",
        ),
        (
            "tiers.yaml",
            "  - { impact: high, tier: high }",
            "  - { impact: [], tier: high }",
            "[tiers] tiers.yaml:10:5: rule 1 has an empty list and never matches; name values",
        ),
        (
            "tiers.yaml",
            "  - { impact: high, tier: high }",
            "  - { impact: hgih, tier: high }",
            "[syntax] tiers.yaml:10:15: unknown value `hgih`; did you mean `high`?",
        ),
        (
            "tiers.yaml",
            "  - { impact: high, tier: high }",
            "  - { impact: high, teir: high }",
            "[syntax] tiers.yaml:10:21: unknown field `teir`; did you mean `tier`?",
        ),
        (
            "tiers.yaml",
            "  - { impact: high, tier: high }",
            "  - { impact: high, tier: hihg }",
            "[syntax] tiers.yaml:10:27: unknown value `hihg`; did you mean `high`?",
        ),
        (
            "tiers.yaml",
            "  - { impact: high, tier: high }",
            "  - { impact: { is: high }, tier: high }",
            "[syntax] tiers.yaml:10:15: expected a value or a list of values, found a mapping; write it as in `impact: high`",
        ),
        (
            "tiers.yaml",
            "  medium:",
            "  meduim:",
            "[syntax] tiers.yaml:22:3: the field `medium` is missing; add it; `medium: {}` takes what is usual\n\
             [syntax] tiers.yaml:25:3: unknown field `meduim`; did you mean `medium`?",
        ),
        (
            "tiers.yaml",
            "approvals: 0 ",
            "approvals: 1 ",
            "[gates] tiers.yaml:23:16: low runs without approval; let a rule classify the action as medium instead",
        ),
        (
            "tiers.yaml",
            "approvals: 1 ",
            "approvals: 0 ",
            "[gates] tiers.yaml:26:16: medium needs at least 1, found `0`",
        ),
        (
            "tiers.yaml",
            "approvals: 2 ",
            "approvals: 1 ",
            "[gates] tiers.yaml:34:16: high needs at least 2, found `1`",
        ),
        (
            "tiers.yaml",
            "approvals: 1 ",
            "approvals: 3 ",
            "[gates] tiers.yaml:34:16: high needs 2 approvals and medium 3; high must need at least as many",
        ),
        (
            "tiers.yaml",
            "approvals: 1 ",
            "approvals: one ",
            "[syntax] tiers.yaml:26:16: expected a whole number, found the text `one`",
        ),
        (
            "tiers.yaml",
            "from: owners ",
            "from: everyone ",
            "[syntax] tiers.yaml:27:11: unknown value `everyone`; the values here are `owners`",
        ),
        (
            "tiers.yaml",
            "sample_review: 5%",
            "sample_review: 5",
            "[syntax] tiers.yaml:24:20: `5` is not a share; write `5%`",
        ),
        (
            "tiers.yaml",
            "sample_review: 5%",
            "sample_review: 500%",
            "[syntax] tiers.yaml:24:20: `500%` is not a share; write a whole number and `%`, as in `5%`",
        ),
        (
            "tiers.yaml",
            "remind_after: 2h",
            "remind_after: 4d",
            "[gates] tiers.yaml:29:19: `remind_after` is not before `expires_after` (3d)",
        ),
        (
            "tiers.yaml",
            "expires_after: 3d ",
            "expires_after: 0s ",
            "[gates] tiers.yaml:29:19: `remind_after` is not before `expires_after` (0s)\n\
             [gates] tiers.yaml:30:21: `escalate_after` is not before `expires_after` (0s)\n\
             [gates] tiers.yaml:31:20: a proposal that expires at once can't be approved; give it time",
        ),
        (
            "tiers.yaml",
            "approval_valid_for: 24h",
            "approval_valid_for: 0h",
            "[gates] tiers.yaml:41:25: an approval that is never valid can't open the gate; give it time",
        ),
        (
            "tiers.yaml",
            "merge: auto                 # or",
            "merge: atuo # or",
            "[syntax] tiers.yaml:42:12: unknown value `atuo`; did you mean `auto`?",
        ),
        (
            "tiers.yaml",
            "distinct_teams: true",
            "step_up: passkeys",
            "[syntax] tiers.yaml:36:14: unknown value `passkeys`; did you mean `passkey`?",
        ),
    ];
    for (file, from, to, answer) in cases {
        assert_eq!(broken(file, from, to), answer, "{from} -> {to}");
    }
}

#[test]
fn mistakes_in_people_are_named_with_their_place() {
    let cases = [
        (
            "people.yaml",
            "accounts: [{ login: bob, id: 1002 }]",
            "accounts: [{ login: bob, id: 1001 }]",
            "[duplicate] people.yaml:12:34: the account id `1001` is already the account of `alice`",
        ),
        (
            "people.yaml",
            "accounts: [{ login: bob, id: 1002 }]",
            "accounts: [{ login: ALICE, id: 1002 }]",
            "[duplicate] people.yaml:12:25: the login `ALICE` is already the account of `alice`",
        ),
        (
            "people.yaml",
            "accounts: [{ login: bob, id: 1002 }]",
            "accounts: []",
            "[syntax] people.yaml:12:15: `bob` has no account and could never approve; add one",
        ),
        (
            "people.yaml",
            "accounts: [{ login: bob, id: 1002 }]",
            "accounts: [{ login: bob, id: '1002' }]",
            "[syntax] people.yaml:12:34: expected a whole number, found the text `1002`; write it as in `id: 1001`",
        ),
        (
            "people.yaml",
            "accounts: [{ login: bob, id: 1002 }]",
            "acounts: [{ login: bob, id: 1002 }]",
            "[syntax] people.yaml:12:5: unknown field `acounts`; did you mean `accounts`?",
        ),
        (
            "people.yaml",
            "  bob:",
            "  Bob:",
            "[syntax] people.yaml:10:3: `Bob` is not a person's name: a lower-case letter, then letters, digits, `-` and `_`, 40 characters at most",
        ),
        (
            "people.yaml",
            "  bob:",
            "  alice:",
            "[syntax] people.yaml:10:3: the key `alice` appears twice; keep one",
        ),
        (
            "people.yaml",
            "teams: [treasury]",
            "teams: [treasury, treasury]",
            "[duplicate] people.yaml:13:23: the team `treasury` appears twice",
        ),
        (
            "people.yaml",
            "teams: [treasury]",
            "teams: [treasury, erin]",
            "[duplicate] people.yaml:24:3: `erin` is both a person and a team; rename one",
        ),
        (
            "people.yaml",
            "people:",
            "poeple:",
            "[syntax] people.yaml:5:1: unknown field `poeple`; did you mean `people`?\n\
             [syntax] people.yaml:5:1: the field `people` is missing; add it, as in `people: { alice: { accounts: [{ login: alice, id: 1001 }], teams: [finance] } }`",
        ),
    ];
    for (file, from, to, answer) in cases {
        assert_eq!(broken(file, from, to), answer, "{from} -> {to}");
    }
}

#[test]
fn mistakes_in_agents_are_named_with_their_place() {
    let cases = [
        (
            "agents.yaml",
            "sponsor: carol",
            "sponsor: carrol",
            "[unknown-name] agents.yaml:22:14: unknown person `carrol`; did you mean `carol`?",
        ),
        (
            "agents.yaml",
            "actions: [crm.note]",
            "actions: [crm.notes]",
            "[unknown-name] agents.yaml:13:15: unknown action `crm.notes`; did you mean `crm.note`?",
        ),
        (
            "agents.yaml",
            "actions: [crm.note]",
            "actions: [crm.note, crm.note]",
            "[duplicate] agents.yaml:13:25: the action `crm.note` appears twice",
        ),
        (
            "agents.yaml",
            "id: 2003",
            "id: 1001",
            "[duplicate] agents.yaml:23:14: the account `payments-agent[bot]` (1001) already belongs to the person `alice`; give the agent its own",
        ),
        (
            "agents.yaml",
            "id: 2003",
            "id: 2002",
            "[duplicate] agents.yaml:23:14: the account `payments-agent[bot]` (2002) already belongs to the agent `campaign-agent`; give the agent its own",
        ),
        (
            "agents.yaml",
            "login: \"payments-agent[bot]\"",
            "login: Alice",
            "[duplicate] agents.yaml:23:14: the account `Alice` (2003) already belongs to the person `alice`; give the agent its own",
        ),
        (
            "agents.yaml",
            "key: { hmac: {} }",
            "key: { hmca: {} }",
            "[syntax] agents.yaml:12:12: unknown value `hmca`; did you mean `hmac`?",
        ),
        (
            "agents.yaml",
            "key: { hmac: {} }",
            "key: { hmac: { secret: x } }",
            "[syntax] agents.yaml:12:20: unknown field `secret`; nothing is expected here",
        ),
        (
            "agents.yaml",
            "key: { hmac: {} }",
            "key: hmac",
            "[syntax] agents.yaml:12:10: `hmac` needs a value; write `hmac: {}` within the field",
        ),
        (
            "agents.yaml",
            "key: { hmac: {} }",
            "key: { ed25519: nonsense }",
            "[key] agents.yaml:12:21: not an SSH public key; paste the line of the `.pub` file, as in `ssh-ed25519 AAAA...`",
        ),
        (
            "agents.yaml",
            "key: { hmac: {} }",
            "key: { hmac: {}, ed25519: x }",
            "[syntax] agents.yaml:12:10: expected exactly one key here, found 2",
        ),
        (
            "agents.yaml",
            "  payments-agent:",
            "  Payments:",
            "[syntax] agents.yaml:20:3: `Payments` is not an agent name: a lower-case letter, then letters, digits, `-` and `_`, 40 characters at most\n\
             [unknown-name] catalog.yaml:103:20: unknown agent `payments-agent`; known: `Payments`, `campaign-agent`, `support-agent`",
        ),
        (
            "agents.yaml",
            "agents:",
            "agent:",
            "[syntax] agents.yaml:7:1: unknown field `agent`; did you mean `agents`?\n\
             [syntax] agents.yaml:7:1: the field `agents` is missing",
        ),
    ];
    for (file, from, to, answer) in cases {
        assert_eq!(broken(file, from, to), answer, "{from} -> {to}");
    }
}

#[test]
fn files_that_are_missing_or_that_nothing_reads_are_errors() {
    let answer = |files: &[SourceFile]| shown(&compile(files).unwrap_err());
    let mut files = starter();
    files.retain(|file| file.path != "tiers.yaml");
    files.push(SourceFile::new("tier.yaml", ""));
    files.push(SourceFile::new("extra/notes.txt", ""));
    files.push(SourceFile::new("README.md", ""));
    assert_eq!(
        answer(&files),
        "[duplicate] README.md: the file was given twice\n\
         [unknown-file] extra/notes.txt: no rule reads this file, so it would change nothing; cases go to `tests/*.yaml`, checks to `checks/*.yaml` and `checks/*.rego`\n\
         [unknown-file] tier.yaml: no rule reads this file, so it would change nothing; did you mean `tiers.yaml`?\n\
         [missing-file] tiers.yaml: the file is missing; add it, `countersign init --policies-out DIR` makes a starter set"
    );
    assert_eq!(answer(&[]).lines().count(), 5);
    let mut files = starter();
    for file in &mut files {
        file.text = "a: [".into();
    }
    assert_eq!(compile(&files).unwrap_err().len(), 4);
}

#[test]
fn the_mistakes_of_all_files_come_together() {
    let mut files = starter();
    for (path, from, to) in [
        ("catalog.yaml", "accountable: finance", "accountable: finanse"),
        ("tiers.yaml", "approvals: 1 ", "approvals: 0 "),
        ("CODEOWNERS", "@acme/treasury", "treasury@example.com"),
        ("people.yaml", "id: 1002", "id: 1001"),
        ("agents.yaml", "sponsor: carol", "sponsor: carrol"),
    ] {
        let file = files.iter_mut().find(|file| file.path == path).unwrap();
        file.text = file.text.replacen(from, to, 1);
    }
    let errors = compile(&files).unwrap_err();
    let found: Vec<&str> = errors.iter().map(PolicyError::file).collect();
    let expected = [
        "CODEOWNERS",
        "agents.yaml",
        "catalog.yaml",
        "people.yaml",
        "tiers.yaml",
    ];
    assert_eq!(found, expected);
    assert!(errors.iter().all(|error| error.place().is_some()));
}

#[test]
fn an_error_serialises_with_its_stable_name_and_points_at_its_bytes() {
    let files = with("agents.yaml", "sponsor: carol", "sponsor: carrol");
    let error = &compile(&files).unwrap_err()[0];
    assert_eq!(
        serde_json::to_value(error).unwrap(),
        serde_json::json!({
            "rule": "unknown-name",
            "file": "agents.yaml",
            "place": {"line": 22, "column": 14},
            "message": "unknown person `carrol`",
            "help": "did you mean `carol`?",
        })
    );
    let (start, length) = error.bytes().unwrap();
    let text = &files.iter().find(|file| file.path == "agents.yaml").unwrap().text;
    assert_eq!(text.get(start..start + length), Some("carrol"));
}

#[test]
fn one_persons_mistake_is_one_error() {
    let answer = broken(
        "people.yaml",
        "accounts: [{ login: alice,",
        "acounts: [{ login: alice,",
    );
    assert_eq!(answer.lines().count(), 1, "{answer}");
}

#[test]
fn i07_a_bot_is_no_person() {
    assert_eq!(
        broken("people.yaml", "login: alice,", "login: 'alice[bot]',")
            .lines()
            .next()
            .unwrap(),
        "[syntax] people.yaml:8:25: `alice[bot]` is a bot, and a bot never approves; name a person's account"
    );
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]

    #[test]
    fn a_damaged_policy_is_an_answer_and_no_crash(
        which in 0_usize..5,
        from in 0.0..1.0_f64,
        length in 0_usize..40,
        insert in "[a-z{}\\[\\]:,&*!|>'\"%@#\\-\\n $.é\u{feff}\u{202e}0-9]{0,12}",
    ) {
        let mut files = starter();
        let text: Vec<char> = files[which].text.chars().collect();
        let at = (from * text.len() as f64) as usize;
        let kept = text.iter().take(at).copied().chain(insert.chars());
        files[which].text = kept.chain(text.iter().skip(at + length).copied()).collect();
        if let Err(errors) = compile(&files) {
            proptest::prop_assert!(!errors.is_empty());
            for error in errors {
                let (start, length) = error.bytes().unwrap_or((0, 0));
                let file = files.iter().find(|file| file.path == error.file());
                let text = file.map_or("", |file| &file.text);
                proptest::prop_assert!(start <= text.len() && start + length <= text.len(), "{}", error);
            }
        }
    }
}
