use bastion_api::{Problem, ProblemKind};
use clap::Args;

use self::stack::{Place, Stack};
use crate::error::Failure;
use crate::ui::Ui;

pub(crate) mod stack;

/// Write what an account needs for bastions, as a CloudFormation template
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Init {
    /// The AWS profile
    #[arg(long)]
    profile: Option<String>,
    /// The region
    #[arg(long)]
    region: Option<String>,
    /// What the stack is called
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    stack: Stack,
}

impl Init {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<(), Failure> {
        if self.stack.is_wanted() {
            let place = Place {
                name: self.name.as_deref(),
                profile: self.profile.as_deref(),
                region: self.region.as_deref(),
            };
            return self.stack.write(place, ui);
        }
        let message = "nothing is said about what to write";
        Err(Problem::new("C30", ProblemKind::Usage, message).hint("--stack FILE").into())
    }
}

const EXAMPLE: &str = "Example:\n  bastionctl init --stack bastiond.yaml";
