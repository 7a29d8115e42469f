//! `checks/NAME.rego`: a Rego module, and what its metadata says of it.

use serde::{Deserialize, de::IgnoredAny};

use super::{Check, CheckKind, RawExceptions, approvers};
use crate::domain::{
    checks::rego::Module,
    ids::CheckName,
    policy::{
        error::{Errors, Rule},
        people::People,
    },
    source::{Node, SourceFile, read_tree},
};

/// What is read of the annotations of a package (OPA, "Annotations"); others are for other tools.
#[derive(Deserialize)]
struct RawMetadata {
    title: Option<String>,
    #[serde(default)]
    custom: RawCustom,
}

#[derive(Deserialize, Default)]
struct RawCustom {
    exceptions: Option<RawExceptions>,
}

/// Reads a module; with errors there is no check.
pub(super) fn read(
    file: &SourceFile,
    name: CheckName,
    people: &People,
    errors: &mut Errors,
) -> Option<(Check, Module)> {
    let before = errors.len();
    let module = Module::compile(&file.text)
        .map_err(|error| errors.add(Rule::Rego, error.mark, error.message))
        .ok();
    let metadata = metadata(file, errors);
    let title = metadata.as_ref().and_then(|(raw, _)| raw.title.clone());
    let exceptions = metadata.as_ref().and_then(|(raw, node)| {
        let raw = raw.custom.exceptions.as_ref()?;
        Some(approvers(raw, node, "/custom/exceptions", people, errors))
    });
    let module = module.filter(|_| errors.len() == before)?;
    let check = Check {
        summary: title.unwrap_or_else(|| format!("The rules of {}", file.path)),
        name,
        kind: CheckKind::Rego,
        level: module.level(),
        exception_approvers: exceptions.unwrap_or_default(),
    };
    Some((check, module))
}

/// The annotations in front of the package: the comment lines after `# METADATA`, as YAML. What stands before is blanked,
/// byte by byte, so that places are those of the file.
fn metadata(file: &SourceFile, errors: &mut Errors) -> Option<(RawMetadata, Node)> {
    let mut yaml = String::with_capacity(file.text.len());
    let mut inside = false;
    for line in file.text.split_inclusive('\n') {
        let comment = line.strip_prefix('#');
        match comment {
            Some(comment) if inside => {
                yaml.push(' ');
                yaml.push_str(comment);
                continue;
            }
            None if inside || line.starts_with("package") => break,
            Some(comment) => inside = comment.trim() == "METADATA",
            None => {}
        }
        let blank = |byte| if byte == b'\n' { '\n' } else { ' ' };
        yaml.extend(line.bytes().map(blank));
    }
    if yaml.trim().is_empty() {
        return None;
    }
    let read = read_tree(&SourceFile::new(file.path.clone(), yaml));
    let node = read.map_err(|error| errors.source(Rule::Rego, &error)).ok()?;
    // Any other annotation is allowed, of any shape.
    if node.decode::<IgnoredAny>().is_err() || node.entries().is_empty() {
        return None;
    }
    let raw = node.decode::<RawMetadata>();
    let raw = raw.map_err(|fault| errors.fault(Rule::Rego, fault)).ok()?;
    Some((raw, node))
}
