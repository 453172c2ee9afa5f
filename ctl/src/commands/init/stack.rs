//! `init --stack`: a CloudFormation template of what bastions need, for an account that has nothing of it. Asks nobody.

mod costs;
mod template;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bastion_api::{Problem, ProblemKind, SCHEMA_VERSION};
use clap::Args;
use serde::Serialize;

use self::costs::Cost;
use self::template::Wanted;
use crate::address::shell;
use crate::error::Failure;
use crate::put;
use crate::ui::Ui;
use crate::words::{clean, dollars, wrap};

/// Whether a template is wanted, and what is in it.
#[derive(Args, Clone, Debug)]
pub(crate) struct Stack {
    /// Write a CloudFormation template of what bastions need, and print what deploys and deletes it; - prints it
    #[arg(long = "stack", id = "stack", value_name = "FILE", help_heading = HEADING)]
    file: Option<PathBuf>,
    /// A VPC in the stack, with a MySQL instance and its secret
    #[arg(long, requires = "stack", help_heading = HEADING)]
    sample: bool,
    /// Endpoints in the stack, for a VPC without a way to the internet
    #[arg(long, requires = "stack", help_heading = HEADING)]
    endpoints: bool,
    /// Write over a file that holds something else
    #[arg(long, requires = "stack", help_heading = HEADING)]
    force: bool,
}

/// Where the stack is to be deployed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place<'a> {
    /// The stack's name, where somebody has said one.
    pub(crate) name: Option<&'a str>,
    /// The profile.
    pub(crate) profile: Option<&'a str>,
    /// The region.
    pub(crate) region: Option<&'a str>,
}

/// What is printed of a template.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Written {
    schema_version: u32,
    /// The template; none where it was printed.
    file: Option<String>,
    /// Whether the file was written; it is not where it holds the very same.
    written: bool,
    /// The template itself, where no file was named.
    template: Option<String>,
    /// The stack's name.
    stack: String,
    /// What deploys it, in this order.
    deploy: Vec<String>,
    /// What comes then.
    then: String,
    /// What deletes it.
    delete: Vec<String>,
    /// What it costs, about.
    costs: Vec<Cost>,
    /// Where those prices hold.
    costs_in: &'static str,
}

impl Stack {
    /// Whether a template is wanted at all.
    pub(crate) fn is_wanted(&self) -> bool {
        self.file.is_some()
    }

    /// Writes the template, and says what is to be done with it.
    pub(crate) fn write(&self, place: Place<'_>, ui: &mut Ui) -> Result<(), Failure> {
        let Some(file) = &self.file else { return Ok(()) };
        let wanted = Wanted { sample: self.sample, endpoints: self.endpoints };
        let name = stack_name(place.name.unwrap_or(USUAL_NAME))?;
        let template = wanted.template();
        let printed = file.as_os_str() == "-";
        let written = !printed && self.put(file, &template)?;
        let shown = if printed { USUAL_FILE.to_owned() } else { file.display().to_string() };
        let told = Written {
            schema_version: SCHEMA_VERSION,
            file: (!printed).then(|| shown.clone()),
            written,
            template: (printed && ui.settings().json).then(|| template.clone()),
            deploy: deploy(wanted, &shown, name, place),
            then: format!("bastionctl init{}", flags(place)),
            delete: delete(name, place),
            costs: costs::of(wanted),
            costs_in: costs::REGION,
            stack: name.to_owned(),
        };
        if ui.settings().json {
            return ui.json(&told);
        }
        if printed {
            ui.data(template.trim_end())?;
        }
        told.say(wanted, ui);
        Ok(())
    }

    /// Writes the file, unless it holds the very same, and never over something else.
    fn put(&self, file: &Path, template: &str) -> Result<bool, Failure> {
        let failed = |error: io::Error| put::cannot_write(file, &error);
        if put::replaces(file) {
            let there = fs::read(file).map_err(failed)?;
            if there == template.as_bytes() {
                return Ok(false);
            }
            if !self.force {
                let why = "it holds something else than what would be written";
                return Err(put::is_there(file).because(why).into());
            }
        }
        put::put(file, template.as_bytes()).map(|()| true).map_err(|error| failed(error).into())
    }
}

impl Written {
    fn say(&self, wanted: Wanted, ui: &mut Ui) {
        let width = ui.settings().width;
        if let Some(file) = &self.file {
            let what = if self.written { "written" } else { "there already, the same" };
            ui.talk(&format!("{}: {what}", clean(file)));
        }
        paragraph("it holds", &wanted.words(), width, ui);
        let costs: Vec<String> = (self.costs.iter())
            .map(|cost| {
                format!("{} {} an hour {}", cost.what, dollars(cost.usd_per_hour), cost.when)
            })
            .collect();
        let costs = format!("{}; in {}, about", costs.join(", "), self.costs_in);
        paragraph("it costs", &costs, width, ui);
        commands("deploy it:", &self.deploy, ui);
        commands("then:", std::slice::from_ref(&self.then), ui);
        commands("delete it, once it is of no more use:", &self.delete, ui);
    }
}

/// `it holds: …` on as many lines as it takes.
fn paragraph(label: &str, text: &str, width: usize, ui: &mut Ui) {
    let text = format!("{label}: {text}");
    wrap(&text, width).iter().for_each(|line| ui.talk(line));
}

/// Commands under a heading, to be copied as they are.
fn commands(heading: &str, commands: &[String], ui: &mut Ui) {
    ui.talk("");
    ui.talk(heading);
    for line in commands.iter().flat_map(|command| command.lines()) {
        ui.copied(&format!("  {}", clean(line)));
    }
}

/// What deploys the stack; what has to be filled in ends with dots.
fn deploy(wanted: Wanted, file: &str, name: &str, place: Place<'_>) -> Vec<String> {
    let mut commands = Vec::new();
    if !wanted.sample {
        commands.push(format!("# subnets to choose from\naws ec2 describe-subnets{} \\\n    --query {SUBNETS} \\\n    --output table", flags(place)));
    }
    if wanted.endpoints && !wanted.sample {
        commands.push(format!("# their route tables\naws ec2 describe-route-tables{} \\\n    --query {ROUTES} \\\n    --output table", flags(place)));
    }
    let filled: Vec<String> =
        wanted.parameters().iter().map(|one| format!("        {one}")).collect();
    let parameters = match &filled[..] {
        [] => String::new(),
        filled => format!(" \\\n    --parameter-overrides \\\n{}", filled.join(" \\\n")),
    };
    commands.push(format!(
        "aws cloudformation deploy{} \\\n    --stack-name {name} \\\n    --template-file {} \\\n    --capabilities CAPABILITY_IAM{parameters}",
        flags(place),
        shell(file),
    ));
    if wanted.endpoints {
        commands.push(push_image(name, place));
    }
    commands
}

/// What puts the image into the stack's repository, from a machine that reaches both registries.
fn push_image(name: &str, place: Place<'_>) -> String {
    let flags = flags(place);
    format!(
        "# the image, once, from a machine with Docker\n\
         REPOSITORY=$(aws cloudformation describe-stacks{flags} \\\n    --stack-name {name} \\\n    \
         --query \"Stacks[0].Outputs[?OutputKey=='Repository'].OutputValue\" \\\n    --output text)\n\
         aws ecr get-login-password{flags} |\n    \
         docker login --username AWS --password-stdin \"${{REPOSITORY%%/*}}\"\n\
         docker pull --platform linux/amd64 {IMAGE}:{TAG}\n\
         docker tag {IMAGE}:{TAG} \"$REPOSITORY:{TAG}\"\n\
         docker push \"$REPOSITORY:{TAG}\""
    )
}

/// What deletes the stack and all that is in it.
fn delete(name: &str, place: Place<'_>) -> Vec<String> {
    let flags = flags(place);
    vec![
        format!("aws cloudformation delete-stack{flags} \\\n    --stack-name {name}"),
        format!("aws cloudformation wait stack-delete-complete{flags} \\\n    --stack-name {name}"),
    ]
}

fn flags(place: Place<'_>) -> String {
    let flags = [("--profile", place.profile), ("--region", place.region)];
    let said = flags.into_iter().filter_map(|(flag, value)| Some((flag, value?)));
    said.map(|(flag, value)| format!(" {flag} {}", shell(value))).collect()
}

/// A name that every resource which takes it allows: the database's identifier is the strictest.
fn stack_name(name: &str) -> Result<&str, Failure> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    let good = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(plain)
        && !name.ends_with('-')
        && !name.contains("--")
        && name.len() <= LONGEST_NAME;
    if good {
        return Ok(name);
    }
    Err(Problem::new("C30", ProblemKind::Usage, format!("no stack can be called \"{name}\""))
        .because("a name is letters, digits and single hyphens, and begins with a letter")
        .because(format!("it has {LONGEST_NAME} characters at most"))
        .hint("--name bastiond")
        .into())
}

const HEADING: &str = "For an account that has nothing suitable";
/// What a stack is called where nobody says.
const USUAL_NAME: &str = "bastiond";
/// What the file is called in commands where the template was printed.
const USUAL_FILE: &str = "bastiond.yaml";
/// With what is put behind it, the database's identifier keeps below its 63 characters.
const LONGEST_NAME: usize = 40;
const SUBNETS: &str = "'Subnets[].[VpcId,SubnetId,Tags[?Key==`Name`]|[0].Value]'";
const ROUTES: &str = "'RouteTables[].Associations[].[SubnetId,RouteTableId]'";
/// As in the template's parameters.
const IMAGE: &str = "public.ecr.aws/docker/library/alpine";
const TAG: &str = "3.22";
