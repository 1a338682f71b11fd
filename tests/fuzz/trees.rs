//! Components that instantiate each other, by chance: who defines, names and instantiates whom, and how often. What each becomes is reckoned
//! here once more, the slow way; the check must refuse what is too much, and nothing else. What it lets through compiles within the limits.

use crate::Plant;
use crate::campaign::{Case, Target, Verdict};
use crate::dice::Dice;
use crate::sandboxes::{Beside, compiled};
use std::fmt::Write;
use std::time::Duration;

/// Limits of the check, stated a second time: deepest nesting; instances, core instances, memories, tables, bytes of data, multiplied
/// out; components and modules in all.
const NESTING_MAX: usize = 4;
const WEIGHT_MAX: Weight = Weight([64, 64, 4, 8, 48 << 20]);
const DEFINED_MAX: usize = 64;
/// One of so many that are let through is compiled, too.
const COMPILED: u64 = 6;
/// Most components and modules that a tree is made of: more than may be, not many more.
const PARTS_MAX: usize = 70;
/// What the guest around it has by itself: two core instances, one memory.
const GUEST: Weight = Weight([0, 2, 1, 0, 100]);
const GUEST_MODULES: usize = 2;

/// Instances, core instances, memories, tables, bytes of data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Weight([u128; 5]);

impl Weight {
    fn add(&mut self, other: Self, times: u64) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine = mine.saturating_add(theirs.saturating_mul(times.into()));
        }
    }

    fn max(&mut self, other: Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine = (*mine).max(theirs);
        }
    }

    fn is_within(self, limit: Self) -> bool {
        self.0.iter().zip(limit.0).all(|(found, limit)| *found <= limit)
    }
}

/// A component or module that has a name where it is.
#[derive(Debug, Clone)]
struct Named {
    name: String,
    /// None: a foreign one.
    weight: Option<Weight>,
}

/// A component that is being written.
#[derive(Debug, Default)]
struct Level {
    id: String,
    components: Vec<Named>,
    modules: Vec<Named>,
    weight: Weight,
}

/// A tree that is being written, and what is known of it.
struct Tree {
    text: String,
    levels: Vec<Level>,
    names: usize,
    components: usize,
    modules: usize,
    deepest: usize,
    /// The most that any component becomes.
    heaviest: Weight,
    is_foreign: bool,
}

impl Tree {
    fn any(dice: &mut Dice) -> Self {
        let root = Level { id: "$root".into(), weight: GUEST, ..Level::default() };
        let mut tree = Self {
            text: String::new(),
            levels: vec![root],
            names: 0,
            components: 0,
            modules: GUEST_MODULES,
            deepest: 2,
            heaviest: Weight::default(),
            is_foreign: false,
        };
        let steps = *dice.one(&[3, 6, 12, 25]);
        let fan_out = *dice.one(&[1, 2, 2, 3, 40, 900]);
        let deep = *dice.one(&[1, 2, 2, 3, 5]);
        tree.fill(dice, steps, &Shape { fan_out, deep });
        let root = tree.levels.pop().expect("the root stays");
        tree.heaviest.max(root.weight);
        tree
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("$n{}", self.names)
    }

    fn fill(&mut self, dice: &mut Dice, steps: u64, shape: &Shape) {
        for _ in 0..steps {
            self.step(dice, steps, shape);
        }
    }

    fn here(&mut self) -> &mut Level {
        self.levels.last_mut().expect("something is being written")
    }

    fn step(&mut self, dice: &mut Dice, steps: u64, shape: &Shape) {
        let is_full = self.components + self.modules >= PARTS_MAX;
        match dice.below(12) {
            0 | 1 if !is_full => self.define_module(dice),
            2..5 if !is_full && self.levels.len() <= shape.deep => self.define_component(dice, steps / 2 + 1, shape),
            5 | 6 => self.alias(dice),
            7 if self.levels.len() > 1 && dice.hits(10) => self.import(),
            8 => self.export(dice),
            _ => self.instantiate(dice, shape),
        }
    }

    fn define_module(&mut self, dice: &mut Dice) {
        let (memories, tables): (u32, u32) = (*dice.one(&[0, 0, 0, 1]), *dice.one(&[0, 0, 1, 2]));
        let data: u64 = *dice.one(&[0, 0, 10, 60_000]);
        let name = self.name();
        let mut text = format!("(core module {name} ");
        for _ in 0..memories {
            text += "(memory 1)";
        }
        for _ in 0..tables {
            text += "(table 1 funcref)";
        }
        if data > 0 {
            // Passive, so that it needs no memory.
            write!(text, "(data \"{}\")", "x".repeat(usize::try_from(data).expect("a length"))).expect("a string takes all");
        }
        self.text += &text;
        self.text += ")\n";
        self.modules += 1;
        self.deepest = self.deepest.max(self.levels.len() + 1);
        let weight = Weight([0, 1, memories.into(), tables.into(), data.into()]);
        self.here().modules.push(Named { name, weight: Some(weight) });
    }

    fn define_component(&mut self, dice: &mut Dice, steps: u64, shape: &Shape) {
        let name = self.name();
        writeln!(self.text, "(component {name}").expect("a string takes all");
        self.components += 1;
        self.levels.push(Level { id: name.clone(), ..Level::default() });
        self.deepest = self.deepest.max(self.levels.len());
        self.fill(dice, steps, shape);
        self.text += ")\n";
        let mut weight = self.levels.pop().expect("it was begun here").weight;
        self.heaviest.max(weight);
        weight.add(Weight([1, 0, 0, 0, 0]), 1);
        self.here().components.push(Named { name, weight: Some(weight) });
    }

    /// Gives something of an outer component a name here.
    fn alias(&mut self, dice: &mut Dice) {
        let Some(outer) = self.levels.len().checked_sub(1 + usize::try_from(dice.below(3)).expect("a few")) else { return };
        let is_module = dice.hits(40);
        let level = &self.levels[outer];
        let there = if is_module { &level.modules } else { &level.components };
        if there.is_empty() {
            return;
        }
        let (found, id) = (dice.one(there).clone(), level.id.clone());
        let (name, kind) = (self.name(), if is_module { "core module" } else { "component" });
        writeln!(self.text, "(alias outer {id} {} ({kind} {name}))", found.name).expect("a string takes all");
        self.push(is_module, Named { name, weight: found.weight });
    }

    /// Takes something from outside: whoever instantiates it does not know what that is.
    fn import(&mut self) {
        let name = self.name();
        writeln!(self.text, "(import \"{}\" (component {name}))", &name[1..]).expect("a string takes all");
        self.push(false, Named { name, weight: None });
    }

    /// What is exported has a second name.
    fn export(&mut self, dice: &mut Dice) {
        if self.levels.len() == 1 || self.here().components.is_empty() {
            return;
        }
        let found = dice.one(&self.here().components).clone();
        let name = self.name();
        writeln!(self.text, "(export {name} \"{}\" (component {}))", &name[1..], found.name).expect("a string takes all");
        self.push(false, Named { name, weight: found.weight });
    }

    fn push(&mut self, is_module: bool, named: Named) {
        let here = self.here();
        if is_module { here.modules.push(named) } else { here.components.push(named) }
    }

    fn instantiate(&mut self, dice: &mut Dice, shape: &Shape) {
        let is_module = dice.hits(40);
        let here = self.here();
        let there = if is_module { &here.modules } else { &here.components };
        if there.is_empty() {
            return;
        }
        let found = dice.one(there).clone();
        let times = 1 + dice.below(shape.fan_out);
        let Some(weight) = found.weight else {
            // With what it asks for it might be instantiated; it is refused before that is looked at.
            self.is_foreign = true;
            writeln!(self.text, "(instance (instantiate {}))", found.name).expect("a string takes all");
            return;
        };
        here.weight.add(weight, times);
        let kind = if is_module { "core instance" } else { "instance" };
        let text = format!("({kind} (instantiate {}))\n", found.name);
        self.text += &text.repeat(usize::try_from(times).expect("a few"));
    }

    /// Whether the check must let it through.
    fn may_be(&self) -> bool {
        self.deepest <= NESTING_MAX
            && self.components <= DEFINED_MAX
            && self.modules <= DEFINED_MAX
            && self.heaviest.is_within(WEIGHT_MAX)
            && !self.is_foreign
    }
}

/// How large a tree becomes.
struct Shape {
    /// Most instances that are made of something at a time.
    fan_out: u64,
    /// Deepest component within the root.
    deep: usize,
}

pub(crate) struct Trees {
    plant: Plant,
    checks: Beside,
    compiles: Beside,
    frame: String,
}

impl Trees {
    pub(crate) fn new(plant: Plant) -> Self {
        let frame = harness::small_guest_text("frame").replacen("(component\n", "(component $root\n", 1);
        let frame = frame.replace("(;guest;)", &format!("{}(;guest;)", harness::small_guest_text("echo")));
        Self { plant, checks: Beside::without_compiler(None), compiles: Beside::in_a_process(), frame }
    }
}

impl Target for Trees {
    fn name(&self) -> &'static str {
        "trees"
    }

    fn cases(&self) -> u64 {
        1_500
    }

    fn floors(&self) -> &'static [(&'static str, u64)] {
        &[
            ("let through", 150),
            ("compiled", 20),
            ("component_has_too_many", 100),
            ("component_nested_too_deep", 20),
            ("component_instantiates_foreign", 1),
        ]
    }

    fn time_max(&self) -> Duration {
        Duration::from_secs(20)
    }

    fn memory_max(&self) -> usize {
        128 << 20
    }

    fn play(&self, case: &mut Case) -> Result<Verdict, String> {
        let tree = Tree::any(&mut case.dice);
        case.show(|| tree.text.clone());
        let bytes =
            wat::parse_str(self.frame.replace("(;guest;)", &tree.text)).map_err(|error| format!("{error}: {}", tree.text))?;
        let checked = match (self.checks.check(bytes.clone())?, self.plant) {
            (Err(refusal), Plant::Mistake) if refusal.to_string().contains("nested instances, multiplied out") => Ok(()),
            (checked, Plant::Mistake | Plant::Nothing) => checked,
        };
        match (checked, tree.may_be()) {
            (Ok(()), true) if case.dice.below(COMPILED) == 0 => Ok(compiled(&self.compiles, bytes)?.into()),
            (Ok(()), true) => Ok("let through".into()),
            (Err(refusal), false) => Ok(refusal.code().into()),
            (Ok(()), false) => Err(format!("let through, and it becomes {:?}, {} deep", tree.heaviest, tree.deepest)),
            (Err(refusal), true) => Err(format!("refused, and it becomes {:?}, {} deep: {refusal}", tree.heaviest, tree.deepest)),
        }
    }
}
