use serde_json::json;

use super::*;
use crate::domain::{
    ids::Span,
    policy::{CommandExecute, Connector, Execute, Filesystem, Filling, Size, lint},
    source::read_tree,
};

/// The starter set whose note runs a program.
fn running(command: &str) -> Vec<SourceFile> {
    let mut files = starter();
    let catalog = files.iter_mut().find(|file| file.path == "catalog.yaml").unwrap();
    let (before, rest) = catalog.text.split_once("    execute:\n      http:\n").unwrap();
    let (_, after) = rest.split_once("\n\n").unwrap();
    catalog.text = format!("{before}    execute:\n      command: {command}\n\n{after}");
    files
}

fn command(text: &str) -> CommandExecute {
    let policy = policy(&running(text));
    match action(&policy, "crm.note").execute().steps()[0].connector() {
        Connector::Command(command) => command.clone(),
        Connector::Http(_) | Connector::Workflow(_) | Connector::Thaw(_) => panic!("a command"),
    }
}

/// What it is answered with, without the place, which is asserted on its own.
fn refused(text: &str) -> String {
    let answer = shown(&compile(&running(text)).expect_err("an error"));
    let lines = answer.lines().map(|line| {
        let (_, rest) = line.split_once(": ").unwrap();
        assert!(
            line.starts_with("[connector] catalog.yaml:37:") || line.starts_with("[unknown-name]"),
            "{line}"
        );
        rest.to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn what_is_not_stated_about_a_program_is_the_least() {
    let command = command("{ program: /opt/bin/tool }");
    let bounds = command.bounds();
    assert_eq!(
        (command.program(), command.args(), command.stdin()),
        ("/opt/bin/tool", &[][..], None)
    );
    assert_eq!(
        (bounds.timeout, bounds.cpu),
        (Span::seconds(30), Span::seconds(10))
    );
    assert_eq!((bounds.memory, bounds.files), (Size::mib(256), Size::mib(16)));
    assert_eq!((bounds.open_files, bounds.processes), (64, 1));
    assert_eq!((bounds.filesystem, bounds.network), (Filesystem::Confined, false));
    assert!(bounds.read.is_empty() && !command.repeatable());
    assert_eq!(command.success().iter().collect::<Vec<_>>(), [&0]);
    assert!(command.refused().is_empty());
}

#[test]
fn the_example_that_people_copy_is_one() {
    let text = include_str!("../../../../docs/executors.md");
    let (_, text) = text.split_once("```yaml\n").unwrap();
    let (text, _) = text.split_once("```").unwrap();
    let tree = read_tree(&SourceFile::new("example.yaml", text)).unwrap();
    let execute = Execute::read(tree.get("execute").unwrap()).unwrap();
    assert!(matches!(execute.steps()[0].connector(), Connector::Command(command) if command.repeatable()));
}

#[test]
fn everything_about_a_program_can_be_stated() {
    let text = "{ program: /opt/bin/tool, args: [add, --json], stdin: { text: '${params.text}', by: '${item.id}' }, timeout: 2m, \
                cpu: 1m, memory: 1GiB, files: 0KiB, open_files: 16, processes: 4, read: [/opt/lib, /dev/urandom], network: true, \
                repeatable: true, success: [0, 2], refused: [3] }";
    let command = command(text);
    assert_eq!(command.args(), ["add", "--json"]);
    let input = command.stdin().unwrap().fill(Filling {
        params: &json!({"text": "; rm -rf / ${params.text}"}),
        proposal: "P1",
        item: "I1",
        key: "K1",
    });
    assert_eq!(
        input.unwrap(),
        json!({"text": "; rm -rf / ${params.text}", "by": "I1"})
    );
    assert_eq!(command.bounds().memory.bytes(), 1 << 30);
    assert_eq!(command.bounds().read, ["/opt/lib", "/dev/urandom"]);
}

#[test]
fn i23_no_parameter_reaches_a_program_but_by_its_standard_input() {
    insta::assert_snapshot!(refused("{ program: '/opt/${params.text}' }"), @"`program` is literal: what an agent proposes can't choose it");
    insta::assert_snapshot!(refused("{ program: /opt/tool, args: [--note, '${params.text}'] }"), @"`${params.text}` is a place to fill, and arguments are literal; give the value under `stdin`, where the program reads it as JSON");
    insta::assert_snapshot!(refused("{ program: /opt/tool, args: ['--note={{ params.text }}'] }"), @"`--note={{ params.text }}` is a place to fill, and arguments are literal; give the value under `stdin`, where the program reads it as JSON");
    insta::assert_snapshot!(refused("{ program: /opt/tool, read: ['/data/${params.text}'] }"), @"`read` is literal: what an agent proposes can't choose it");
    insta::assert_snapshot!(refused("{ program: /opt/tool, env: { A: b } }"), @"unknown field `env`; the fields here are `program`, `args`, `stdin`, `timeout`, `cpu`, `memory`, `files`, `open_files`, `processes`, `read`, `filesystem`, `network`, `repeatable`, `success`, `refused`");
    insta::assert_snapshot!(refused("{ program: /opt/tool, stdin: { a: '${params.txt}' } }"), @"unknown parameter `txt`; did you mean `text`?");
    insta::assert_snapshot!(refused("{ program: /opt/tool, stdin: { a: 'x ${params.text}' } }"), @"`x ${params.text}` is not a place to fill; the whole text must be `${params.name}`, `${proposal.id}`, `${item.id}` or `${step.key}`");
}

#[test]
fn i23_paths_are_whole_and_keep_out_of_what_is_the_machine_s() {
    for program in [
        "tool",
        "./tool",
        "/opt/../bin/sh",
        "/opt//tool",
        "/opt/tool/",
        "/opt/./tool",
        "",
        "~/tool",
        "\"/opt/a\\nb\"",
    ] {
        let answer = refused(&format!(
            "{{ program: {} }}",
            if program.is_empty() { "''" } else { program }
        ));
        assert!(
            answer.contains("is not a path for `program`; write it from `/`"),
            "{program}: {answer}"
        );
    }
    insta::assert_snapshot!(refused("{ program: /opt/tool, read: [/] }"), @"`/` is everything, the bot's keys included; name the directories that the program needs");
    for path in ["/proc", "/proc/self", "/proc/1/environ", "/sys", "/sys/kernel"] {
        let answer = refused(&format!("{{ program: /opt/tool, read: [{path}] }}"));
        assert!(
            answer.contains("shows the bot's own process and the machine"),
            "{path}: {answer}"
        );
    }
    for path in ["/dev", "/dev/mem", "/dev/vda", "/dev/shm"] {
        let answer = refused(&format!("{{ program: /opt/tool, read: [{path}] }}"));
        assert!(
            answer.contains("is more than a contained program may reach"),
            "{path}: {answer}"
        );
    }
    for path in ["etc", "/etc/../root", "/opt//lib"] {
        let answer = refused(&format!("{{ program: /opt/tool, read: [{path}] }}"));
        assert!(answer.contains("is not a path for `read`"), "{path}: {answer}");
    }
    for fine in ["/process", "/system", "/devices", "/dev/null"] {
        command(&format!("{{ program: /opt/tool, read: [{fine}] }}"));
    }
}

#[test]
fn bounds_of_a_program_that_make_no_sense_are_named() {
    insta::assert_snapshot!(refused("{ program: /opt/tool, timeout: 6m }"), @"`timeout` is `6m`; between 1s and 5m");
    insta::assert_snapshot!(refused("{ program: /opt/tool, cpu: 0s }"), @"`cpu` is `0s`; between 1s and 5m");
    insta::assert_snapshot!(refused("{ program: /opt/tool, memory: 1MiB }"), @"`memory` is `1MiB`; between 16MiB and 64GiB");
    insta::assert_snapshot!(refused("{ program: /opt/tool, memory: 256MB }"), @"`256MB` is not a size; a whole number and `KiB`, `MiB` or `GiB`, as in `256MiB`");
    insta::assert_snapshot!(refused("{ program: /opt/tool, files: 5GiB }"), @"`files` is `5GiB`; between 0GiB and 4GiB");
    insta::assert_snapshot!(refused("{ program: /opt/tool, open_files: 3 }"), @"`open_files` is `3`; between 8 and 4096");
    insta::assert_snapshot!(refused("{ program: /opt/tool, processes: 0 }"), @"`processes` is `0`; between 1 and 64");
    insta::assert_snapshot!(refused("{ program: /opt/tool, success: [] }"), @"`success` is empty, so it could never have run; write `[0]`");
    insta::assert_snapshot!(refused("{ program: /opt/tool, refused: [0] }"), @"the exit code 0 can't mean both done and refused; remove one of them");
    insta::assert_snapshot!(refused("{ program: /opt/tool, refused: [4, 4] }"), @"an exit code appears twice");
    insta::assert_snapshot!(refused("{ program: /opt/tool, filesystem: unconfined, read: [/opt] }"), @"`filesystem: unconfined` reads everything, so `read` says nothing; remove one of them");
    insta::assert_snapshot!(refused("{ program: /opt/tool, filesystem: unconfined, processes: 2 }"), @"`filesystem: unconfined` can't keep several processes apart from others; write `processes: 1`");
    insta::assert_snapshot!(refused("{ program: /opt/tool, filesystem: unconfind }"), @"unknown value `unconfind`; did you mean `unconfined`?");
}

#[test]
fn a_program_that_is_held_loosely_is_warned_of() {
    let found = |text: &str| {
        let findings = lint::lint(&running(text))
            .into_iter()
            .filter(|found| found.id() == "loose-command");
        let lines = findings.map(|found| format!("{}: {}", found.message(), found.remedy().unwrap()));
        lines.collect::<Vec<_>>().join("\n")
    };
    assert_eq!(found("{ program: /opt/bin/tool, read: [/opt/lib] }"), "");
    insta::assert_snapshot!(found("{ program: /bin/sh, network: true, filesystem: unconfined }"), @r"
    `crm.note` runs `sh`, which takes text for a program: name the program itself, or a script of its own with a first line `#!/path/of/interpreter`
    `crm.note` runs a program that may reach every address that the bot's machine can, private ones included: use `http` for what one request does, or keep the executor's machine behind a firewall
    `crm.note` runs a program that may read and write whatever the bot may, its keys included: run the executor on Linux 6.2 or later with Landlock, and leave `filesystem` out
    ");
}
