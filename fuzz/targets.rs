//! What is fuzzed: each target reads an input and says what kind of answer it gave, or what is wrong with the answer.

use std::path::Path;

use countersign::domain::{
    facts::{Facts, judge},
    ids::Timestamp,
    matter::Matter,
    policy::{
        Owners, Policy, compile,
        expression::{Expression, Names, Scope},
        lint::lint,
    },
    proposal::{Item, Provenance},
    receive::fit,
    request::Request,
    source::{SourceFile, read_yaml},
};
use serde_json::{Map, json};

/// Reads one input: the kind of its answer, or what is wrong with it.
pub type Judge = Box<dyn Fn(&[u8]) -> Result<String, String>>;

/// One reader of what people and agents write.
pub struct Target {
    pub name: &'static str,
    /// Words of its language.
    pub words: &'static [&'static str],
    seeds: fn() -> Vec<String>,
    /// Makes what reads an input.
    pub judge: fn() -> Judge,
}

impl Target {
    pub fn seeds(&self) -> Vec<Vec<u8>> {
        (self.seeds)().into_iter().map(String::into_bytes).collect()
    }
}

pub const TARGETS: &[Target] = &[
    Target {
        name: "codeowners",
        words: &[
            "*",
            "**",
            "/",
            "?",
            "!",
            "#",
            "\\ ",
            "[A][2]",
            "^[B]",
            "]",
            "@alice",
            "@acme/finance",
            "\n",
            " ",
            "/crm/",
            "a*b*c*",
        ],
        seeds: || {
            vec![
                small("CODEOWNERS"),
                starter("CODEOWNERS"),
                "*\n/a/**/b* @alice\n[S][2] @bob\n/a/\n!/a/c\n".into(),
            ]
        },
        judge: || Box::new(codeowners),
    },
    Target {
        name: "policies",
        words: &[
            "\n",
            "  ",
            "- ",
            ": ",
            "{ ",
            " }",
            "[",
            "]",
            "&a ",
            "*a",
            "<<: ",
            "|\n",
            "\"",
            "'",
            "---\n",
            "!!str ",
            "high",
            "none",
            "params.",
            "${params.x}",
            "{x}",
            "{{ params.x }}",
            "$ref: '#/$defs/a'",
            "pattern: '(a+)+$'",
            "items:",
            "3d",
            "limits:",
        ],
        seeds: || {
            FILES
                .iter()
                .map(|name| format!("{name}\n{}", starter(name)))
                .collect()
        },
        judge: || Box::new(policies),
    },
    Target {
        name: "proposals",
        words: &[
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"",
            "null",
            "true",
            "\"items\":",
            "\"parameters\":",
            "\"id\":",
            "\"amount\":",
            "\"minor\":",
            "\"reviews\":",
            "\"by\":",
            "\"observed\":",
            "\\u0000",
            "\\ud800",
        ],
        seeds: proposals_seeds,
        judge: || {
            let policy = policy();
            Box::new(move |input| proposals(input, &policy))
        },
    },
    Target {
        name: "cel",
        words: &[
            "params",
            "items",
            "affected",
            "change",
            "now",
            "claimed",
            ".all(x, ",
            ".exists(x, ",
            ".map(x, ",
            ".filter(x, ",
            "size(",
            ")",
            "[",
            "]",
            "{",
            "}",
            " && ",
            " || ",
            " ? ",
            " : ",
            " + ",
            " * ",
            " / ",
            " % ",
            "-",
            "!",
            " in ",
            " == ",
            " < ",
            "matches('",
            "'(a*)*'",
            "'x'",
            "1",
            "9223372036854775807",
            "1.5",
            "null",
            "true",
            "has(params.a)",
            "duration('1h')",
            "timestamp(",
            "string(",
        ],
        seeds: || {
            let texts = [
                "params.amount.minor >= 1000000 && params.currency == 'EUR'",
                "items.all(i, i.amount.minor < 100) || affected.count > 10",
                "items.map(i, i.list.filter(x, x > 1)).exists(l, size(l) > 2)",
                "params.text.matches('^[a-z]+$') ? now.getHours() > 7 : claimed.names == true",
                "!(params.name in ['a', 'b']) && size(params.text) * 2 + 1 < 100 / 3 % 7",
                "has(change.before.servers) && params.list[0] == 'x'",
            ];
            texts.map(String::from).into()
        },
        judge: || Box::new(cel),
    },
];

const FILES: &[&str] = &[
    "CODEOWNERS",
    "agents.yaml",
    "catalog.yaml",
    "people.yaml",
    "tiers.yaml",
    "checks/brand.yaml",
    "checks/consent.yaml",
    "checks/export-fields.rego",
    "checks/pii.yaml",
    "checks/text.yaml",
    "checks/working-hours.yaml",
    "tests/finance.yaml",
];

/// Reads a file of the repository, for whichever of its packages this is built.
fn read(folder: &str, name: &str) -> String {
    let mut packages = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let root = packages
        .find(|package| package.join("policies").is_dir())
        .expect("the repository's root");
    let path = root.join(folder).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
fn starter(name: &str) -> String {
    read("policies", name)
}
fn small(name: &str) -> String {
    read("tests/policies", name)
}

fn files() -> Vec<SourceFile> {
    FILES
        .iter()
        .map(|name| SourceFile::new(*name, starter(name)))
        .collect()
}
fn policy() -> Policy {
    compile(&files()).expect("the starter set compiles")
}

fn codeowners(input: &[u8]) -> Result<String, String> {
    let text = String::from_utf8_lossy(input);
    let raw = match Owners::parse_alone(&text) {
        Err(errors) => {
            return Ok(errors
                .first()
                .map_or_else(String::new, |error| error.message().to_owned()));
        }
        Ok(raw) => raw,
    };
    let mut matched = String::new();
    for path in [
        "/crm/customers/x",
        "/a/b/c",
        "a",
        "/payments/suppliers/S-1",
        "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p",
    ] {
        for said in raw.matching(path) {
            if said.owners.is_empty() && said.need.is_some_and(|need| need == 0) {
                return Err(format!("`{path}` needs nobody"));
            }
            matched.push_str(if said.owners.is_empty() { "-" } else { "+" });
        }
        matched.push('/');
    }
    Ok(matched)
}

/// The first line names the file that the rest replaces.
fn policies(input: &[u8]) -> Result<String, String> {
    let text = String::from_utf8_lossy(input);
    let (name, text) = text.split_once('\n').unwrap_or(("", &text));
    let mut files = files();
    let Some(file) = files.iter_mut().find(|file| file.path == name) else {
        return Ok("no file".into());
    };
    file.text = text.to_owned();
    match compile(&files) {
        Err(errors) => {
            for error in &errors {
                let text = files.iter().find(|file| file.path == error.file());
                let fits = match (error.bytes(), text) {
                    (Some((at, length)), Some(file)) => file.text.get(at..at + length).is_some(),
                    (_, _) => true,
                };
                if !fits {
                    return Err(format!("`{error}` points beside its text"));
                }
            }
            Ok(errors.first().map_or_else(String::new, |error| {
                format!("{} {}", error.file(), error.message())
            }))
        }
        Ok(policy) => {
            let again = compile(&files).map_err(|_| "the second time it does not compile")?;
            if policy.digest() != again.digest() {
                return Err("two digests of the same files".into());
            }
            let findings = lint(&files);
            Ok(findings
                .first()
                .map_or_else(|| "fine".into(), |finding| finding.message().to_owned()))
        }
    }
}

fn proposals_seeds() -> Vec<String> {
    let params = json!({ "supplier_id": "S-1", "amount": { "minor": 1_250_000, "currency": "EUR" }, "reference": "r", "iban": "DE89370400440532013000" });
    let request = json!({
        "operation": "payments.create", "sponsor": "carol", "parameters": params, "nonce": "0123456789abcdef",
        "justification": "because", "claimed": { "invoice": "7" }, "exceptions": [{ "check": "text", "reason": "known" }],
    });
    let batch = json!({
        "operation": "payments.refund", "sponsor": "carol", "nonce": "0123456789abcdef", "justification": "because",
        "items": [
            { "id": "1", "parameters": { "customer_id": "C-1", "invoice": "I-1", "amount": { "minor": 1, "currency": "EUR" } } },
            { "id": "2", "parameters": { "customer_id": "C-2", "invoice": "I-2", "amount": { "minor": 2, "currency": "USD" } } },
        ],
    });
    let facts = json!({
        "operation": "campaigns.send", "agent": "campaign-agent", "at": "2026-03-02T09:00:00Z",
        "parameters": { "segment_id": "vip", "subject": "Hello", "body": "Dear https://acme.example/x" },
        "observed": [{ "before": {}, "affected": { "count": 3, "sample": [{ "consents": [{ "purpose": "newsletter" }] }] } }],
        "reviews": [{ "by": "dave", "says": "approve" }, { "by": 1001, "says": "request_changes" }],
    });
    let note = json!({
        "operation": "crm.note", "agent": "support-agent", "at": "2026-03-02T09:00:00Z",
        "parameters": { "customer_id": "C-1", "text": "mail a@b.example, +43 316 123456, 4111 1111 1111 1111, ghp_16C7e42F292c6912E7710c838347Ae178B4a" },
    });
    [request, batch, facts, note]
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn proposals(input: &[u8], policy: &Policy) -> Result<String, String> {
    let text = String::from_utf8_lossy(input).into_owned();
    let at = Timestamp::from_millis(1_772_442_000_000);
    if let Ok(facts) = serde_json::from_str::<Facts>(&text) {
        let (judged, again) = (judge(&facts, policy), judge(&facts, policy));
        if judged != again {
            return Err("two answers to the same facts".into());
        }
        let checks: Vec<String> = judged
            .checks
            .iter()
            .map(|one| format!("{}{:?}", one.check, one.level))
            .collect();
        return Ok(format!("{} {} {}", judged.tier, judged.gate, checks.join(" ")));
    }
    let file = SourceFile::new("proposal.json", text);
    match read_yaml::<Request>(&file) {
        Err(error) => Ok(error.message().to_owned()),
        Ok(request) => {
            let agent = policy
                .agents()
                .find(|agent| agent.may_propose(&request.operation));
            let Some(agent) = agent else {
                return Ok("an unknown action".into());
            };
            match fit(request, agent, policy, at) {
                Ok(_) => Ok("fits".into()),
                Err(errors) => Ok(format!("{errors:?}")),
            }
        }
    }
}

fn cel(input: &[u8]) -> Result<String, String> {
    let text = String::from_utf8_lossy(input);
    let expression = match Expression::compile(&text, &Names::any(), None) {
        Err(fault) => return Ok(fault.to_string()),
        Ok(expression) => expression,
    };
    let list: Vec<u32> = (0..50).collect();
    let params = json!({ "amount": { "minor": 1_250_000 }, "currency": "EUR", "text": "a".repeat(2_000), "name": "a", "list": list });
    let items: Vec<Item> = ["1", "2", "3"]
        .iter()
        .map(|id| Item {
            id: id.parse().expect("an item's id"),
            parameters: params.clone(),
            observed_digest: None,
        })
        .collect();
    let name = |text: &str| text.parse().expect("a name");
    let (claimed, provenance) = (Map::new(), Provenance::default());
    let (operation, agent, sponsor) = (
        "payments.create".parse().expect("an action"),
        "payments-agent".parse().expect("an agent"),
        name("carol"),
    );
    let matter = Matter {
        operation: &operation,
        agent: &agent,
        sponsor: &sponsor,
        target: None,
        items: &items,
        observed: &[],
        dry_runs: &[],
        claimed: &claimed,
        justification: "",
        rollback_plan: None,
        exceptions: &[],
        provenance: &provenance,
        corrected: false,
        rolls_back: false,
        at: Timestamp::from_millis(1_772_442_000_000),
    };
    let scope = Scope::of(&matter);
    let (answer, again) = (expression.eval(&scope), expression.eval(&scope));
    if answer != again {
        return Err("two answers to the same question".into());
    }
    Ok(match answer {
        Ok(answer) => answer.to_string(),
        Err(error) => error.to_string(),
    })
}
