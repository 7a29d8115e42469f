//! Sections of CODEOWNERS, and the index against trying every line.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::domain::{
    fixture,
    policy::{Owners, RawOwners, error::Errors, owners, pattern::Pattern},
};

/// What each section says, as in `Finance[2]: 4 @acme/finance`.
fn said(owners: &RawOwners, path: &str) -> Vec<String> {
    let said = owners.matching(path).into_iter().map(|said| {
        let name = said.section.unwrap_or("-");
        let need = said.need.map(|need| format!("[{need}]")).unwrap_or_default();
        let optional = if said.optional { "^" } else { "" };
        let owners = match said.excluded {
            true => "excluded".to_owned(),
            false => said.owners.join(" "),
        };
        format!("{optional}{name}{need}: {} {owners}", said.line)
    });
    said.collect()
}

const SECTIONS: &str = "\
* @acme/all
/payments/open/

[Finance][2] @acme/finance @ann # of all money
/payments/
/invoices/ @bob
!/payments/refunds/
/payments/refunds/late/ @carl

^[ Wording ] @acme/marketing
*.md
[finance]
/payments/tax/ @tina
^[Finance][2] @acme/finance
/budgets/
";

#[rstest]
#[case("/x", &["-: 1 @acme/all"])]
#[case("/payments/1", &["-: 1 @acme/all", "Finance[2]: 5 @acme/finance @ann"])]
#[case("/payments/open/1", &["-: 2 ", "Finance[2]: 5 @acme/finance @ann"])]
#[case("/invoices/1", &["-: 1 @acme/all", "Finance[2]: 6 @bob"])]
#[case("/payments/refunds/1", &["-: 1 @acme/all", "Finance[2]: 7 excluded"])]
#[case("/payments/refunds/late/1", &["-: 1 @acme/all", "Finance[2]: 7 excluded"])]
#[case("/payments/tax/1", &["-: 1 @acme/all", "Finance[2]: 13 @tina"])]
#[case("/budgets/1", &["-: 1 @acme/all", "Finance[2]: 15 @acme/finance"])]
#[case("/payments/a.md", &["-: 1 @acme/all", "Finance[2]: 5 @acme/finance @ann", "^Wording: 11 @acme/marketing"])]
fn each_section_has_its_say(#[case] path: &str, #[case] expected: &[&str]) {
    let owners = Owners::parse_alone(SECTIONS).unwrap();
    assert_eq!(said(&owners, path), expected);
    let windows = Owners::parse_alone(&SECTIONS.replace('\n', "\r\n")).unwrap();
    assert_eq!(said(&windows, path), expected);
}

#[rstest]
#[case("[A", "CODEOWNERS:1:1: the section is not closed; write `[Name]`")]
#[case("* @a\n\t[ ]", "CODEOWNERS:2:2: the section has no name; write `[Name]`")]
#[case(
    "[A][0]\n* @a",
    "CODEOWNERS:1:1: `[0]` is not a number of approvals; write one from 1 to 255, as in `[Name][2]`"
)]
#[case(
    "[A][+1]\n* @a",
    "CODEOWNERS:1:1: `[+1]` is not a number of approvals; write one from 1 to 255, as in `[Name][2]`"
)]
#[case(
    "[A][256]\n* @a",
    "CODEOWNERS:1:1: `[256]` is not a number of approvals; write one from 1 to 255, as in `[Name][2]`"
)]
#[case(
    "[A][2\n* @a",
    "CODEOWNERS:1:1: the section's count is not closed; write `[Name][2]`"
)]
#[case(
    "[A\u{202e}]\n* @a",
    "CODEOWNERS:1:1: `[A\\u{202e}]` is not a section; its name has at most 100 visible characters and no `[`"
)]
#[case(
    "[A] \n\n[B]\n* @a",
    "CODEOWNERS:1:1: the section has no lines, so it owns nothing; add a pattern below it"
)]
#[case(
    "[A] @a",
    "CODEOWNERS:1:1: the section has no lines, so it owns nothing; add a pattern below it"
)]
#[case(
    "[A] a\n*",
    "CODEOWNERS:1:5: `a` is not an owner; write `@login` or `@organization/team`"
)]
#[case(
    "[A]\nx @a\n*",
    "CODEOWNERS:3:1: the line has no owners and its section no default ones; name some, or exclude the path with `!`"
)]
#[case(
    "[A] @a\n*\n[a]\nx",
    "CODEOWNERS:4:1: the line has no owners and its section no default ones; name some, or exclude the path with `!`"
)]
#[case(
    "[A] @a\n!x @b\n*",
    "CODEOWNERS:2:1: an exclusion has no owners; leave them out"
)]
#[case(
    "[A] @a\n! x\n*",
    "CODEOWNERS:2:1: `!` excludes nothing; write the pattern right behind it"
)]
#[case(
    "[A] @a\n!!x\n*",
    "CODEOWNERS:2:1: `!` may stand once, in front of the pattern"
)]
#[case(
    "[A][2] @a\n*\n\n[a][3] @a\n*",
    "CODEOWNERS:4:1: the section needs 3 here and 2 on line 1; say it once"
)]
#[case(
    "[A]\n* @@owner",
    "CODEOWNERS:2:3: `@@owner` is not an owner; write `@login` or `@organization/team`"
)]
#[case(
    "[A][2\n!x\ny",
    "CODEOWNERS:1:1: the section's count is not closed; write `[Name][2]`"
)]
fn a_section_that_does_not_parse_is_an_error(#[case] text: &str, #[case] expected: &str) {
    let errors = Owners::parse_alone(text).unwrap_err();
    let shown: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(shown, [expected]);
}

/// Under the people of the starter set.
fn read(text: &str) -> Owners {
    let mut errors = Errors::of("CODEOWNERS");
    let owners = owners::read(text, &fixture::starter().people, &mut errors);
    assert_eq!(shown(&errors.into_list()), "");
    owners
}

#[test]
fn requirements_carry_section_count_and_option() {
    let text =
        "[Finance][2] @acme/finance\n/payments/\n^[Wording] @erin\n/payments/\n[Cash]\n/payments/ @alice\n";
    let owners = read(text);
    let found = owners.requirements("/payments/1");
    let sets: Vec<_> = found
        .sets()
        .iter()
        .map(|set| {
            (
                set.line(),
                set.section(),
                set.need(),
                set.is_optional(),
                set.owners()[0].to_string(),
            )
        })
        .collect();
    assert_eq!(
        sets,
        [
            (2, Some("Finance"), Some(2), false, "finance".into()),
            (4, Some("Wording"), None, true, "erin".into()),
            (6, Some("Cash"), None, false, "alice".into()),
        ]
    );
    assert!(!found.is_unowned());
    assert_eq!(
        serde_json::to_string(&found.sets()[..2]).unwrap(),
        r#"[{"line":2,"section":"Finance","need":2,"owners":[{"team":"finance"}]},{"line":4,"section":"Wording","optional":true,"owners":[{"person":"erin"}]}]"#
    );
}

#[test]
fn optional_owners_alone_own_nothing() {
    let optional = read("/crm/ @acme/marketing\n^[Wording] @erin\n/payments/\n");
    let found = optional.requirements("/payments/1");
    assert_eq!(found.sets().len(), 1);
    assert!(found.is_unowned());
    let excluding = read("[Finance] @alice\n/payments/\n!/payments/1\n");
    let excluded = excluding.requirements("/payments/1");
    assert!(excluded.is_unowned() && excluded.sets().is_empty());
}

#[test]
fn owners_that_nobody_knows_are_found_in_headings_and_told_once() {
    let mut files = starter();
    files.retain(|file| file.path != "CODEOWNERS");
    files.push(SourceFile::new(
        "CODEOWNERS",
        "[A] @alise\n/a/\n/b/\n/c/ @acme/finanse\n",
    ));
    assert_eq!(
        shown(&compile(&files).unwrap_err()),
        "[unknown-name] CODEOWNERS:1:5: unknown login `alise`; did you mean `alice`?\n\
         [unknown-name] CODEOWNERS:4:5: unknown team `finanse`; did you mean `finance`?"
    );
}

/// One line of a generated file.
#[derive(Debug, Clone)]
enum Piece {
    Heading {
        name: usize,
        optional: bool,
        defaults: bool,
    },
    Entry {
        pattern: String,
        owner: Option<usize>,
        excludes: bool,
    },
}

const NAMES: [&str; 3] = ["Alpha", "beta", "ALPHA"];
const LOGINS: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];

fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let heading =
        (0usize..3, any::<bool>(), any::<bool>()).prop_map(|(name, optional, defaults)| Piece::Heading {
            name,
            optional,
            defaults,
        });
    let segment = prop_oneof![
        4 => "[ab]{1,2}",
        1 => Just("*".to_owned()),
        1 => Just("**".to_owned()),
        1 => "[ab]\\*",
        1 => "\\*[ab]",
        1 => "[ab?*][?*][ab]",
    ];
    let pattern = ("/?", proptest::collection::vec(segment, 1..4), "/?")
        .prop_map(|(before, parts, after)| format!("{before}{}{after}", parts.join("/")))
        .prop_filter("refused", |text| !text.contains("***"));
    let entry = (
        pattern,
        proptest::option::weighted(0.8, 0usize..5),
        proptest::bool::weighted(0.2),
    )
        .prop_map(|(pattern, owner, excludes)| Piece::Entry {
            pattern,
            owner,
            excludes,
        });
    proptest::collection::vec(prop_oneof![1 => heading, 5 => entry], 1..30)
}

/// What each section says by reading the file from the top, as the documentation tells it.
#[derive(Debug, Default)]
struct Model {
    /// By lowercase name: required by some heading, the line that decides, excluded.
    sections: BTreeMap<String, (bool, Option<Vec<usize>>, bool)>,
}

/// The file's text, and the model's answer for a path.
fn write(pieces: &[Piece], path: &[&str]) -> (String, Model) {
    let (mut text, mut model) = (String::new(), Model::default());
    let mut current: Option<(String, bool)> = None;
    for (piece, number) in pieces.iter().zip(0..) {
        match piece {
            Piece::Heading {
                name,
                optional,
                defaults,
            } => {
                let defaults = if *defaults { " @alice @bob" } else { "" };
                let hat = if *optional { "^" } else { "" };
                text += &format!("{hat}[{}]{defaults}\n/never-{number}/ @erin\n", NAMES[*name]);
                let key = NAMES[*name].to_lowercase();
                model.sections.entry(key.clone()).or_default().0 |= !optional;
                current = Some((key, !defaults.is_empty()));
            }
            Piece::Entry {
                pattern,
                owner,
                excludes,
            } => {
                let parsed = Pattern::parse(pattern).unwrap();
                let (key, defaults) = current.clone().unwrap_or_default();
                let excludes = *excludes && current.is_some();
                let owners = match owner {
                    _ if excludes => Vec::new(),
                    Some(owner) => vec![*owner],
                    None if defaults => vec![0, 1],
                    None if current.is_some() => vec![2],
                    None => Vec::new(),
                };
                let named: String = owners
                    .iter()
                    .map(|owner| format!(" @{}", LOGINS[*owner]))
                    .collect();
                let named = if defaults && owner.is_none() {
                    String::new()
                } else {
                    named
                };
                text += &format!("{}{pattern}{named}\n", if excludes { "!" } else { "" });
                if parsed.matches(path) {
                    let section = model.sections.entry(key).or_default();
                    section.0 |= current.is_none();
                    match excludes {
                        true => section.2 = true,
                        false => section.1 = Some(owners),
                    }
                }
            }
        }
    }
    (text, model)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn sections_agree_with_a_naive_model_and_the_index_with_every_line(
        pieces in pieces(),
        path in proptest::collection::vec("[ab]{1,2}", 1..5),
    ) {
        let parts: Vec<&str> = path.iter().map(String::as_str).collect();
        let (text, model) = write(&pieces, &parts);
        let joined = format!("/{}", path.join("/"));
        let owners = read(&text);
        let found = owners.requirements(&joined);
        let indexed: BTreeMap<String, (bool, Vec<String>)> = found
            .sets()
            .iter()
            .map(|set| {
                let owners = set.owners().iter().map(ToString::to_string).collect();
                (set.section().unwrap_or_default().to_lowercase(), (set.is_optional(), owners))
            })
            .collect();
        let expected: BTreeMap<String, (bool, Vec<String>)> = model
            .sections
            .into_iter()
            .filter_map(|(name, (required, owners, excluded))| {
                let owners = owners.filter(|owners| !excluded && !owners.is_empty())?;
                let owners = owners.iter().map(|owner| LOGINS[*owner].to_owned()).collect();
                Some((name, (!required, owners)))
            })
            .collect();
        prop_assert_eq!(&indexed, &expected, "{}\n{}", text, joined);
        let tried: Vec<(u32, Option<String>)> = Owners::parse_alone(&text)
            .unwrap()
            .matching(&joined)
            .into_iter()
            .filter(|said| !said.excluded && !said.owners.is_empty())
            .map(|said| (said.line, said.section.map(str::to_owned)))
            .collect();
        let by_index: Vec<(u32, Option<String>)> = found
            .sets()
            .iter()
            .map(|set| (set.line(), set.section().map(str::to_owned)))
            .collect();
        prop_assert_eq!(by_index, tried, "{}\n{}", text, joined);
    }
}

/// Each of these would not end in anybody's time if it cost more than its size.
#[test]
fn hostile_files_cost_no_more_than_their_size() {
    let mut stars = String::new();
    for number in 0..10_000 {
        stars += &format!("**/*{number}*/**/a{number}*/**/x @alice\n");
    }
    let deep = format!("/{}", "12345/".repeat(60));
    assert!(read(&stars).requirements(&deep).is_unowned());
    let one_line = format!("* {}", "@alice ".repeat(400_000));
    assert_eq!(read(&one_line).requirements("/x").sets().len(), 1);
    let strangers = format!("* {}", "@nobody ".repeat(300_000));
    let mut files = starter();
    files.retain(|file| file.path != "CODEOWNERS");
    files.push(SourceFile::new("CODEOWNERS", strangers));
    assert_eq!(compile(&files).unwrap_err().len(), 200);
    let words = "x ".repeat(1_400_000);
    assert!(Owners::parse_alone(&words).is_err());
    let headings: String = (0..50_000).map(|n| format!("[s{n}] @alice\n*\n")).collect();
    assert_eq!(read(&headings).requirements("/x").sets().len(), 50_000);
}

#[test]
fn counts_never_open_a_gate_for_less() {
    let needs = |owners: &str, gate: u8| {
        let files = fixture::Files {
            owners: owners.into(),
            ..Default::default()
        };
        let story = fixture::Story::under(&files);
        let owned = story
            .policy
            .owned(
                &story.case.proposal.binding.operation,
                &story.case.proposal.binding.items,
            )
            .unwrap();
        assert!(owned.unowned().is_empty());
        let needs = owned.needs(gate).into_iter();
        let needs = needs.map(|(set, need)| format!("{} {need}", set.section().unwrap_or("-")));
        needs.collect::<Vec<_>>().join(", ")
    };
    let one = "[Legal][1] @erin\n/payments/\n^[Wording][9] @dave\n*\n";
    assert_eq!(needs(one, 1), "Legal 1, Wording 0");
    assert_eq!(needs(one, 2), "Legal 2, Wording 0");
    let two = "[Legal][1] @erin\n/payments/\n[Finance][2] @acme/finance\n/payments/\n";
    assert_eq!(needs(two, 3), "Legal 1, Finance 2");
    assert_eq!(needs(two, 4), "Legal 4, Finance 4");
    let plain = "/payments/ @alice\n[Finance][3] @acme/finance\n/payments/\n";
    assert_eq!(needs(plain, 2), "- 2, Finance 3");
}
