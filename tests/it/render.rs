//! What approvers read, whole: the four reports, and everything small around them.

use countersign::{
    domain::{
        case::{Case, Life},
        entry::{ClaimedBy, Finished, Merged, Outcome, Started, StepResult, VoidReason},
        ids::{Digest, ProposalId, PullNumber},
        observation::{ReviewState, Seen},
        policy::Policy,
        proposal::Proposal,
        receive::FieldError,
        source::{SourceFile, read_yaml},
    },
    render::{
        RenderError, ReportFacts, change_diff, check, commit_message, footer, inbox_accepted, inbox_answer,
        masked, merge_message, merge_title, outcome, proposal_yaml, report, summary, title,
    },
};
use serde_json::{Value, json};

use crate::render_fixtures::*;

#[test]
fn i26_a_low_note() {
    let policy = policy();
    insta::assert_snapshot!(report_of(&policy, &note(&policy)), @"");
}

#[test]
fn i26_a_medium_campaign() {
    let policy = policy();
    insta::assert_snapshot!(report_of(&policy, &campaign(&policy)), @"");
}

#[test]
fn i26_i29_a_high_payment() {
    let policy = policy();
    let report = report_of(&policy, &payment(&policy));
    assert!(!report.contains("DE89"), "the sealed value is masked");
    insta::assert_snapshot!(report, @"");
}

#[test]
fn i26_a_batch_of_twelve() {
    let policy = policy();
    insta::assert_snapshot!(report_of(&policy, &batch(&policy)), @"");
}

fn title_of(policy: &Policy, proposal: &Proposal) -> String {
    title(proposal, &assessment(policy, proposal))
}

#[test]
fn titles_say_tier_object_and_size() {
    let policy = policy();
    let titles: Vec<String> = [note(&policy), campaign(&policy), payment(&policy), batch(&policy)]
        .iter()
        .map(|proposal| title_of(&policy, proposal))
        .collect();
    insta::assert_snapshot!(titles.join("\n"), @"");
    let long = propose(
        &policy,
        "payments-agent",
        json!({
            "operation": "payments.create",
            "parameters": {
                "supplier_id": "a-supplier-with-a-very-long-identifier-of-sixty-four-characters-",
                "amount": {"minor": 99_999_999_999_i64, "currency": "KWD"},
                "reference": "a reference that goes on and on until the line is nearly full of it",
            },
            "justification": "x",
        }),
        vec![],
    );
    let title = title_of(&policy, &long);
    assert!(
        title.contains("99,999,999.999 KWD") && title.contains('…'),
        "{title}"
    );
    assert!(title.chars().count() <= 70, "{title}");
    let report = report_of(&policy, &long);
    assert!(
        report.contains(&format!("In full: {}", "Pay a-supplier-with")),
        "{report}"
    );
}

#[test]
fn i26_the_first_two_hundred_characters_say_what_why_and_until_when() {
    let policy = policy();
    for proposal in [campaign(&policy), payment(&policy), batch(&policy)] {
        let report = report_of(&policy, &proposal);
        let first: String = report.chars().take(200).collect();
        for needed in ["Approve by 2026-11-2", "Why ", " impact, ", " data, "] {
            assert!(first.contains(needed), "{needed} is missing in\n{first}");
        }
        assert!(first.contains("12,500.00 EUR") || first.contains("4,200") || first.contains("7,800.00 EUR"));
    }
}

#[test]
fn i26_what_exceeds_github_s_limit_is_refused() {
    let policy = policy();
    let items: Vec<Value> = (0..500)
        .map(|n| {
            json!({"id": format!("item-{n}"), "parameters": {
                "supplier_id": format!("supplier-{n}"),
                "amount": {"minor": 100 + n, "currency": "EUR"},
                "reference": format!("{n} {}", "x".repeat(110)),
            }})
        })
        .collect();
    let proposal = propose(
        &policy,
        "payments-agent",
        json!({"operation": "payments.create", "items": items, "justification": "x"}),
        vec![],
    );
    let refused = report(&ReportFacts {
        proposal: &proposal,
        assessment: &assessment(&policy, &proposal),
        policy: &policy,
        base: &base(),
    });
    let error = refused.expect_err("it has more than 65,536 characters");
    assert!(matches!(error, RenderError::TooLong { max: 65_536, .. }));
    assert!(
        error
            .to_string()
            .ends_with("split the proposal into smaller ones"),
        "{error}"
    );
}

#[test]
fn a_summary_that_does_not_fit_is_refused() {
    let policy = policy();
    let action = policy.action(&"campaigns.send".parse().unwrap()).unwrap();
    let long = json!({"segment_id": "x".repeat(64), "subject": "y".repeat(150), "body": "z"});
    assert_eq!(
        summary(action, &long),
        Err(RenderError::Summary { have: 235, max: 200 })
    );
    let missing = summary(action, &json!({"subject": "y"})).unwrap_err();
    assert!(missing.to_string().contains("`campaigns.send`"), "{missing}");
    let shown = summary(action, &json!({"segment_id": "a", "subject": "x\u{202e}y\nz"})).unwrap();
    assert_eq!(shown, "E-mail \"x\\u{202e}y\\nz\" to segment a");
}

#[test]
fn i29_sensitive_parameters_are_masked_before_anything_is_said() {
    let policy = policy();
    let action = policy.action(&"payments.create".parse().unwrap()).unwrap();
    let shown = masked(
        action,
        &json!({"supplier_id": "a", "iban": "DE89370400440532013000"}),
    );
    assert_eq!(shown, json!({"supplier_id": "a", "iban": "•••• 3000"}));
    assert_eq!(
        masked(action, &json!({"iban": {"odd": 1}})),
        json!({"iban": "••••"})
    );
}

#[test]
fn a_proposal_s_file_reads_back_equal() {
    let policy = policy();
    for proposal in [note(&policy), campaign(&policy), payment(&policy), batch(&policy)] {
        let bytes = proposal_yaml(&proposal).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.starts_with("# Written by Countersign"));
        let back: Proposal = read_yaml(&SourceFile::new("proposal.yaml", text)).unwrap();
        assert_eq!(back, proposal);
    }
}

#[test]
fn change_diff_is_a_diff_that_git_applies() {
    let policy = policy();
    insta::assert_snapshot!(change_diff(&payment(&policy)), @"");
    insta::assert_snapshot!(change_diff(&note(&policy)), @"");
    let dir = tempfile::tempdir().unwrap();
    let before = dir.path().join("payments/suppliers/acme-ltd");
    std::fs::create_dir_all(before.parent().unwrap()).unwrap();
    let seen = payment(&policy).observed[0].facts.before.clone();
    std::fs::write(&before, format!("{seen:#}\n")).unwrap();
    for proposal in [payment(&policy), note(&policy), campaign(&policy), batch(&policy)] {
        let file = dir.path().join("change.diff");
        std::fs::write(&file, change_diff(&proposal)).unwrap();
        let git = std::process::Command::new("git")
            .args(["apply", "--check", "change.diff"])
            .current_dir(dir.path())
            .env("GIT_CEILING_DIRECTORIES", dir.path())
            .output()
            .unwrap();
        assert!(git.status.success(), "{}", String::from_utf8_lossy(&git.stderr));
    }
}

fn shown(case: &Case, seen: &countersign::domain::observation::Observation, policy: &Policy) -> String {
    let text = check(case, &decided(case, seen, policy), policy).unwrap();
    format!("{}\n----\n{}", text.title, text.summary)
}

#[test]
fn a_check_names_who_could_approve() {
    let policy = policy();
    let case = open_case(&policy, payment(&policy));
    insta::assert_snapshot!(shown(&case, &observation(&case), &policy), @"");
}

#[test]
fn i08_a_check_says_why_the_sponsor_does_not_count() {
    let policy = policy();
    let mut case = open_case(&policy, payment(&policy));
    let mut seen = observation(&case);
    review(&mut case, &mut seen, 1001, ReviewState::Approved);
    review(&mut case, &mut seen, 1003, ReviewState::Approved);
    review(&mut case, &mut seen, 1004, ReviewState::Approved);
    insta::assert_snapshot!(shown(&case, &seen, &policy), @"");
}

#[test]
fn a_check_says_when_everything_holds() {
    let policy = policy();
    let mut case = open_case(&policy, payment(&policy));
    let mut seen = observation(&case);
    review(&mut case, &mut seen, 1001, ReviewState::Approved);
    review(&mut case, &mut seen, 1002, ReviewState::Approved);
    insta::assert_snapshot!(shown(&case, &seen, &policy), @"");
    let decision = decided(&case, &seen, &policy);
    insta::assert_snapshot!(format!("{}\n\n{}", merge_title(&case, &decision), merge_message(&case, &decision)), @"");
}

#[test]
fn a_check_says_what_blocks_and_what_could_not_be_read() {
    let policy = policy();
    let mut case = open_case(&policy, campaign(&policy));
    let mut seen = observation(&case);
    review(&mut case, &mut seen, 1004, ReviewState::ChangesRequested);
    let Seen::Known(pull) = &mut seen.pull else {
        panic!("the pull request is known");
    };
    pull.head = sha(9);
    pull.body = Digest::of(b"edited");
    insta::assert_snapshot!(shown(&case, &seen, &policy), @"");
    seen.reviews = Seen::unknown("500");
    seen.pull = Seen::unknown("500");
    insta::assert_snapshot!(shown(&case, &seen, &policy), @"");
}

#[test]
fn i12_a_check_says_that_the_deadline_passed() {
    let policy = policy();
    let case = open_case(&policy, campaign(&policy));
    let mut seen = observation(&case);
    seen.at = at("2026-11-26T10:00:00Z");
    let text = check(&case, &decided(&case, &seen, &policy), &policy).unwrap();
    insta::assert_snapshot!(text.title, @"");
    assert!(
        text.summary
            .contains("passed at 2026-11-25 09:00 UTC; the agent must propose it anew")
    );
}

fn step(item: &str, outcome: Outcome, status: Option<u16>, note: Option<&str>) -> StepResult {
    StepResult {
        item: item.parse().unwrap(),
        outcome,
        status,
        request: Digest::of(b"request"),
        response: None,
        note: note.map(Into::into),
    }
}

fn finished(case: &mut Case, life: Life, outcome: Outcome, steps: Vec<StepResult>) {
    case.life = life;
    case.merged = Some(Merged {
        sha: sha(3),
        parents: vec![sha(1), sha(2)],
        at: now(),
        by: Some(BOT),
    });
    case.started = Some(Started {
        instance: "executor-1".parse().unwrap(),
        deadline: at("2026-11-22T11:00:00Z"),
        attempt: 1,
        idempotency_key: "cs-01M817QNM0-1".into(),
        claim: ClaimedBy::Ledger,
    });
    case.finished = Some(Finished {
        instance: "executor-1".parse().unwrap(),
        outcome,
        steps,
    });
}

#[test]
fn an_outcome_tells_what_ran_and_how_to_undo_it() {
    let policy = policy();
    let says = Digest::of(b"says");
    let mut case = open_case(&policy, payment(&policy));
    finished(
        &mut case,
        Life::Executed,
        Outcome::Executed,
        vec![step("1", Outcome::Executed, Some(201), None)],
    );
    let text = outcome(&case, &policy, says).unwrap();
    assert_eq!(text.lines().last(), Some(footer(says).as_str()));
    insta::assert_snapshot!(text, @"");
    let mut case = open_case(&policy, batch(&policy));
    finished(
        &mut case,
        Life::Partial,
        Outcome::Partial,
        vec![
            step("1", Outcome::Executed, Some(201), None),
            step(
                "2",
                Outcome::Refused,
                Some(422),
                Some("account closed | see <b>help</b>"),
            ),
        ],
    );
    insta::assert_snapshot!(outcome(&case, &policy, says).unwrap(), @"");
}

#[test]
fn every_end_has_its_words() {
    let policy = policy();
    let mut case = open_case(&policy, payment(&policy));
    let mut all = Vec::new();
    for life in [
        Life::Refused,
        Life::Errored,
        Life::Unknown,
        Life::Undone,
        Life::Voided,
        Life::Denied,
        Life::Expired,
        Life::Cancelled,
        Life::Superseded,
        Life::Bypassed,
        Life::PolicyChanged,
        Life::RefusedAfterMerge,
    ] {
        case.life = life;
        case.voided = Some(VoidReason::ForeignHead);
        let text = outcome(&case, &policy, Digest::of(b"s")).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        all.push(format!(
            "{}\n    {}",
            lines[0].trim_start_matches("### "),
            lines[2]
        ));
    }
    insta::assert_snapshot!(all.join("\n"), @"");
    case.life = Life::Bypassed;
    case.refused = Some("the gate was waiting: 0 of 2 approvals".into());
    insta::assert_snapshot!(outcome(&case, &policy, Digest::of(b"s")).unwrap(), @"");
}

#[test]
fn answers_in_the_inbox_name_every_field() {
    let answer = inbox_answer(&[
        FieldError::new("/parameters/amount", "is missing; send `{minor, currency}`"),
        FieldError::new(
            "",
            "give either `parameters` (one item) or `items` (several), not neither",
        ),
    ]);
    insta::assert_snapshot!(answer.unwrap(), @"");
    let id = ProposalId::from_parts(now(), 42);
    insta::assert_snapshot!(inbox_accepted(id, PullNumber(12)).unwrap(), @"");
}

#[test]
fn a_proposal_s_commit_says_who_asks_for_what() {
    let policy = policy();
    insta::assert_snapshot!(commit_message(&payment(&policy)), @"");
}

#[test]
#[ignore = "writes the reports to a directory, to be looked at in a browser"]
fn reports_to_look_at() {
    let policy = policy();
    let dir = std::path::PathBuf::from(std::env::var("REPORTS_DIR").unwrap());
    for (name, proposal) in [
        ("note", note(&policy)),
        ("campaign", campaign(&policy)),
        ("payment", payment(&policy)),
        ("batch", batch(&policy)),
    ] {
        let text = report_of(&policy, &proposal);
        std::fs::write(dir.join(format!("{name}.md")), &text).unwrap();
        std::fs::write(
            dir.join(format!("{name}.html")),
            comrak::markdown_to_html(&text, &gfm()),
        )
        .unwrap();
    }
}

/// GitHub's own rules, as comrak knows them; raw HTML is let through, as the worst reader would.
pub fn gfm() -> comrak::Options<'static> {
    let mut options = comrak::Options::default();
    options.extension.strikethrough = true;
    options.extension.table = true;
    options.extension.autolink = true;
    options.extension.tasklist = true;
    options.extension.footnotes = true;
    options.extension.alerts = true;
    options.extension.math_dollars = true;
    options.extension.math_code = true;
    options.extension.description_lists = false;
    options.render.r#unsafe = true;
    options
}
