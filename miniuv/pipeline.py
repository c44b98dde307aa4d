"""The steps of a command, in order: find, read, resolve, plan, prepare, commit."""

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial

from miniuv import stamps
from miniuv.basis import date_back, environment_stamps, make_basis
from miniuv.environment.consistency import new_problems
from miniuv.environment.installed import fingerprint, installed_distributions
from miniuv.install.bytecode import Bytecode
from miniuv.install.recovery import is_recovery_due, recover, tell_of_pending
from miniuv.install.stage import staged_plan
from miniuv.install.transaction import apply_plan, commit_plan
from miniuv.install.unchanged import changed_only
from miniuv.models.installed import InstalledDistribution
from miniuv.models.interpreter import Interpreter
from miniuv.models.outcome import Outcome
from miniuv.models.plan import Plan, PlannedRemoval
from miniuv.models.request import InstallOptions, InstallRequest, TargetRequest
from miniuv.replay.confirm import are_direct
from miniuv.replay.keep import Installation, keep
from miniuv.reporter import Reporter, counted
from miniuv.resolve.gather import Asked, names_of, read_inputs, with_file_options
from miniuv.session import Session
from miniuv.values import replace
from miniuv.workshop import Workshop


def install(request: InstallRequest, session: Session) -> Outcome:
    """Install what ``request`` asks for: find, read, resolve, plan, prepare, and only then change anything."""
    options, reporter = request.options, session.reporter
    interpreter = session.interpreters.target(request.target, directory=session.directory)
    reporter.targeted(interpreter)
    inputs = read_inputs(
        request, constraint_files=session.settings.constraint_files, environ=session.environ, fetch=session.fetch
    )
    for file in inputs.files:
        for warning in file.warnings:
            reporter.warning(warning)
    options = with_file_options(options, inputs.files)
    options = replace(options, require_hashes=options.require_hashes or session.settings.require_hashes)
    if options.dry_run:
        tell_of_pending(interpreter, reporter=reporter)
    elif is_recovery_due(interpreter):
        with session.environment_lock(interpreter):
            recover(interpreter, reporter=reporter)
    bytecode = Bytecode(
        store=session.store, jobs=session.jobs, interpreter=interpreter, runner=session.runner, reporter=reporter
    )
    asked: Asked | None = None
    done: Installation | None = None
    with Workshop.open(session, interpreter, options, inputs) as workshop:
        while True:
            seen, present = fingerprint(interpreter), environment_stamps(interpreter)
            installed = installed_distributions(interpreter, reporter=reporter)
            with counted(reporter, "resolve") as step:
                asked = asked or workshop.ask(inputs)
                outcome = workshop.plan(asked, installed, options)
                step.count = len(outcome.resolution.candidates) if outcome.resolution else 0
            if options.dry_run or outcome.plan.is_empty:
                break
            with counted(reporter, "prepare") as step:
                compile_early = bytecode.of if options.compile_bytecode else None
                prepared = workshop.prepare(outcome.plan, fetched=compile_early)
                plan, prepared = changed_only(outcome.plan, prepared, interpreter=interpreter, options=options)
                outcome = replace(outcome, plan=plan)
                step.count = len(prepared)
            if plan.is_empty:
                break
            with (
                staged_plan(
                    prepared,
                    interpreter=interpreter,
                    compile_modules=options.compile_bytecode,
                    bytecode=bytecode,
                    link_mode=session.settings.link_mode,
                    runner=session.runner,
                    reporter=reporter,
                    verified=True,
                ) as staged,
                session.environment_lock(interpreter),
            ):
                recover(interpreter, reporter=reporter)
                # Another run that came first has changed what the plan was made for: each turn of this loop
                # means that somebody else's transaction was committed.
                committed = fingerprint(interpreter) == seen
                if committed:
                    with counted(reporter, "install", len(prepared)):
                        journal = commit_plan(staged, outcome.plan.removals, options=options, reporter=reporter)
                    done = Installation(staged=staged, journal=journal, installed=installed, interpreter=interpreter)
                    date_back(interpreter, [new.info for new in staged.distributions])
                    present = environment_stamps(interpreter, just_changed=True)
            if committed:
                _warn_of_new_problems(installed, outcome, interpreter, reporter, resolved=not options.no_deps)
                break
        if done is not None:
            stamps.date_back([str(interpreter.prefix)])  # the work folder has just left it
        workshop.remember()
        footing = workshop.footing() if done is not None or options.upgrade else None
        questions = workshop.questions() if options.upgrade else ()
        basis = make_basis(
            request=request,
            inputs=inputs,
            settings=workshop.settings,
            interpreter=interpreter,
            environment=present,
            catalog=workshop.catalog,
            questions=questions or (),
            environ=session.environ,
        )
        # Pages are asked for again with the session's settings, not with what a requirement file says of indexes.
        plain = replace(workshop.settings, refresh=False) == session.settings
        if options.upgrade and (footing is None or questions is None or not (plain or are_direct(questions))):
            basis = None
        again = None
        if done is not None and basis is not None and footing is not None:
            again = partial(
                keep,
                done,
                outcome=outcome,
                basis=basis,
                footing=footing,
                store=session.store,
                environ=session.environ,
                directory=str(session.directory),
            )
        return replace(outcome, basis=basis, keep=again)


def uninstall(
    names: Sequence[str], *, files: Sequence[str], target: TargetRequest, session: Session, dry_run: bool
) -> Outcome:
    """Remove the distributions called ``names`` or named in ``files``; those that are not there are warned about."""
    interpreter = session.interpreters.target(target, directory=session.directory)
    session.reporter.targeted(interpreter)
    request = InstallRequest(
        requirements=tuple(names),
        requirement_files=tuple(files),
        target=target,
        options=InstallOptions(dry_run=dry_run),
        directory=session.directory,
    )
    inputs = read_inputs(request, constraint_files=(), environ=session.environ, fetch=session.fetch)
    wanted = names_of(inputs, interpreter=interpreter, directory=session.directory)
    with nullcontext() if dry_run else session.environment_lock(interpreter):
        (tell_of_pending if dry_run else recover)(interpreter, reporter=session.reporter)
        installed = installed_distributions(interpreter, reporter=session.reporter)
        for name in sorted(wanted - {distribution.name for distribution in installed}):
            session.reporter.warning(f"`{name}` is not installed, so it is not removed")
        removals = tuple(
            PlannedRemoval(installed=distribution, reason="asked for")
            for distribution in installed
            if distribution.name in wanted
        )
        if removals and not dry_run:
            with counted(session.reporter, "uninstall", len(removals)):
                apply_plan(
                    (),
                    removals,
                    interpreter=interpreter,
                    options=request.options,
                    link_mode=session.settings.link_mode,
                    runner=session.runner,
                    reporter=session.reporter,
                )
    outcome = Outcome(plan=Plan(removals=removals), dry_run=dry_run)
    if not dry_run:
        _warn_of_new_problems(installed, outcome, interpreter, session.reporter)
    return outcome


def _warn_of_new_problems(
    before: Sequence[InstalledDistribution],
    outcome: Outcome,
    interpreter: Interpreter,
    reporter: Reporter,
    *,
    resolved: bool = False,
) -> None:
    """Tell what fitted together until now: nothing but what was asked for and what it needs has been ``resolved``."""
    gone = {removal.installed.info for removal in outcome.plan.removals}
    gone |= {old.info for planned in outcome.plan.installs for old in planned.replaces}
    after = [distribution for distribution in before if distribution.info not in gone]
    metadata = outcome.resolution.metadata if outcome.resolution else {}
    site = interpreter.scheme.purelib
    after += [
        InstalledDistribution(metadata=metadata[planned.candidate.name], info=site / "new", location=site)
        for planned in outcome.plan.installs
    ]
    names = frozenset(outcome.resolution.candidates) if resolved and outcome.resolution else frozenset()
    for problem in new_problems(before, after, interpreter, resolved=names):
        reporter.warning(problem.removesuffix("."))
