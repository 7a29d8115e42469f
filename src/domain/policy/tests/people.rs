//! Calendars, time zones and stand-ins as people.yaml has them.

use super::*;

fn file(person: &str, rest: &str) -> Vec<SourceFile> {
    let mut files = with(
        "people.yaml",
        "    teams: [treasury]\n",
        &format!("    teams: [treasury]\n{person}"),
    );
    let file = files
        .iter_mut()
        .find(|file| file.path == "people.yaml")
        .expect("people");
    file.text += rest;
    files
}

const OFFICE: &str =
    "calendars:\n  office: { days: [mon, tue], hours: \"09:00-17:00\", holidays: [2026-12-25] }\n";

fn wrong(person: &str, rest: &str) -> String {
    let errors = compile(&file(person, rest)).expect_err("an error");
    let lines = errors.iter().map(|error| {
        format!(
            "[{}] {}{}",
            error.rule(),
            error.message(),
            error.help().map(|help| format!("; {help}")).unwrap_or_default()
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_person_has_hours_a_place_and_stand_ins() {
    let text = "    calendar: office\n    time_zone: Europe/Berlin\n    stand_ins: [alice, erin]\n";
    let policy = policy(&file(text, OFFICE));
    let bob = policy.person(&"bob".parse().expect("a name")).expect("bob");
    assert!(bob.working_hours().is_some());
    let stand_ins: Vec<&str> = bob.stand_ins().iter().map(|name| name.as_str()).collect();
    assert_eq!(stand_ins, ["alice", "erin"]);
    let alice = policy.person(&"alice".parse().expect("a name")).expect("alice");
    assert!(alice.working_hours().is_none() && alice.stand_ins().is_empty());
}

#[test]
fn what_people_say_about_time_must_make_sense() {
    assert_eq!(
        wrong("    calendar: ofice\n    time_zone: Europe/Berlin\n", OFFICE),
        "[unknown-name] unknown calendar `ofice`; did you mean `office`?"
    );
    assert_eq!(
        wrong("    calendar: office\n", OFFICE),
        "[syntax] hours are those of some place; add `time_zone`, as in `time_zone: Europe/Berlin`"
    );
    assert_eq!(
        wrong("    time_zone: Berlin\n", OFFICE),
        "[syntax] `Berlin` is not a time zone; write an IANA name, as in `Europe/Berlin`"
    );
    assert_eq!(
        wrong(
            "    calendar: office\n    time_zone: UTC\n",
            &OFFICE.replace("17:00", "25:00")
        ),
        "[syntax] `09:00-25:00` are no hours; write them within one day, as in `09:00-17:00` or `00:00-24:00`"
    );
    assert_eq!(
        wrong("    stand_ins: [bob]\n", ""),
        "[syntax] nobody stands in for themselves; name another person"
    );
    assert_eq!(
        wrong("    stand_ins: [alise, alice, alice]\n", ""),
        "[unknown-name] unknown person `alise`; did you mean `alice`?\n[duplicate] `alice` appears twice"
    );
    assert_eq!(
        wrong("", "calendars: [office]\n"),
        "[syntax] expected a mapping from each calendar's name to the calendar"
    );
    assert_eq!(
        wrong("", "calendar: {}\n"),
        "[syntax] unknown field `calendar`; did you mean `calendars`?"
    );
}
