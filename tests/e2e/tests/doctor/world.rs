//! A world: what is broken in it, what is done in it, what the doctor has to find.

use std::pin::Pin;

use bastion_e2e::{House, Plan, configs};
use bastion_sim::Fault;
use bastion_sim::world::World as Account;

/// One broken world.
pub(crate) struct World {
    /// What is broken, in words.
    pub(crate) name: &'static str,
    /// The codes that fail, the root cause first.
    pub(crate) expected: Vec<&'static str>,
    /// What must stand in the words or the fix of the root cause.
    pub(crate) told: Vec<&'static str>,
    /// Whether CI tries it.
    pub(crate) in_ci: bool,
    /// The config, with `{port:…}` for ports.
    pub(crate) config: String,
    /// The target that is examined.
    pub(crate) target: &'static str,
    /// How the house differs.
    pub(crate) plan: Vec<fn(Plan) -> Plan>,
    /// How the account differs.
    pub(crate) account: Vec<fn(&mut Account)>,
    /// What a person has in the home, or does to the machine, before the daemon starts.
    pub(crate) home: Vec<fn(&House)>,
    /// What goes wrong with calls once the daemon runs.
    pub(crate) faults: Vec<Fault>,
    /// What is done before the doctor comes.
    pub(crate) deed: Option<Deed>,
}

/// Something done in a house; what it holds is kept until the doctor has been.
pub(crate) type Deed = for<'a> fn(&'a House) -> Pin<Box<dyn Future<Output = Kept> + 'a>>;

/// Whatever is to stay as it is while the doctor looks.
pub(crate) type Kept = Box<dyn std::any::Any>;

impl World {
    /// The script way with nothing broken yet, in which these codes have to be found.
    pub(crate) fn new(name: &'static str, expected: &[&'static str]) -> Self {
        Self {
            name,
            expected: expected.to_vec(),
            told: Vec::new(),
            in_ci: false,
            config: configs::SCRIPT_WAY.to_owned(),
            target: "prod-db",
            plan: Vec::new(),
            account: Vec::new(),
            home: Vec::new(),
            faults: Vec::new(),
            deed: None,
        }
    }

    /// The CDK way with nothing broken yet.
    pub(crate) fn cdk(name: &'static str, expected: &[&'static str]) -> Self {
        let config = configs::CDK_WAY.to_owned();
        Self { config, target: "dev-mysql", ..Self::new(name, expected) }
    }

    /// A person's own files log in, by the profile `prod`.
    pub(crate) fn by_profile(name: &'static str, expected: &[&'static str]) -> Self {
        let own = Self::new(name, expected);
        own.config("[site.prod]\n", "[site.prod]\nprofile = \"prod\"\n").plan(Plan::keys_in_files)
    }

    /// The root cause.
    pub(crate) fn root(&self) -> &'static str {
        self.expected[0]
    }

    /// What must be told of the root cause.
    pub(crate) fn told(mut self, words: &[&'static str]) -> Self {
        self.told.extend(words);
        self
    }

    /// CI tries it.
    pub(crate) fn in_ci(mut self) -> Self {
        self.in_ci = true;
        self
    }

    /// A piece of the config is another.
    pub(crate) fn config(mut self, piece: &str, other: &str) -> Self {
        assert!(self.config.contains(piece), "{}: no {piece} in the config", self.name);
        self.config = self.config.replacen(piece, other, 1);
        self
    }

    /// The house differs.
    pub(crate) fn plan(mut self, change: fn(Plan) -> Plan) -> Self {
        self.plan.push(change);
        self
    }

    /// The account differs.
    pub(crate) fn account(mut self, change: fn(&mut Account)) -> Self {
        self.account.push(change);
        self
    }

    /// The home differs.
    pub(crate) fn home(mut self, change: fn(&House)) -> Self {
        self.home.push(change);
        self
    }

    /// A call goes wrong.
    pub(crate) fn fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// Something is done before the doctor comes.
    pub(crate) fn deed(mut self, deed: Deed) -> Self {
        self.deed = Some(deed);
        self
    }

    /// Somebody has tried to open the target.
    pub(crate) fn opened(self) -> Self {
        self.deed(|house| {
            Box::pin(async {
                let target = if house.is_cdk() { "dev-mysql" } else { "prod-db" };
                drop(house.ctl(&["open", target]).await);
                Box::new(()) as Kept
            })
        })
    }
}

/// Which of the two ways a house goes.
trait Way {
    fn is_cdk(&self) -> bool;
}

impl Way for House {
    fn is_cdk(&self) -> bool {
        std::fs::read_to_string(self.path("config.toml")).unwrap().contains("[target.dev-mysql]")
    }
}
