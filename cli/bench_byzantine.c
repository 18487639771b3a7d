/*
 * plexus bench byzantine: workers of whom some poison, and rules that add what they send. Trainings
 * are independent and go to threads; what comes out depends on the seeds alone.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "json.h"
#include "machine.h"

enum { RULES = 12, ATTACKS = 17, MOST_F = 8, MOST_CELLS = 4096, MARKS = 16, ROUNDS = 400 };

/* One cell of a table: the mean over its seeds. */
struct cell {
    px_poison_training run;
    unsigned seeds, first; /* its trainings */
    double accuracy, worst;
};

struct training {
    px_poison_training run;
    unsigned seed; /* place of its data */
    double accuracy;
    px_err e;
};

struct mark {
    char what[160], where[64];
    double value, bound;
    bool pass;
};

struct byz {
    struct cli *c;
    unsigned n, seeds, rounds, threads;
    unsigned f[MOST_F], f_count, fifth, most; /* the largest of 20 % and 40 % of n, or 0 */
    px_poison_data **data;                    /* a seed each */
    struct cell *cells;
    unsigned cell_count;
    struct training *runs;
    unsigned run_count;
    atomic_uint next, done;
    struct mark marks[MARKS];
    unsigned mark_count;
    double clean, clean_skewed;
    struct training again; /* one of them once more */
    bool kernel;           /* it does not refuse */
};

/* The rules whose packets go through the kernel's program, too. */
static const char *const in_kernel[] = {"clip1", "welford"};
enum { IN_KERNEL = sizeof in_kernel / sizeof *in_kernel };

/* ------------------------------------------------------------------ cells */

static bool same(const px_poison_training *a, const px_poison_training *b)
{
    return a->liars == b->liars && strcmp(a->attack, b->attack) == 0 && a->skewed == b->skewed &&
           a->exact == b->exact && a->kernel == b->kernel && strcmp(a->rule, b->rule) == 0;
}

static struct cell *find(struct byz *b, const px_poison_training *run)
{
    for (unsigned i = 0; i < b->cell_count; i++)
        if (same(&b->cells[i].run, run))
            return &b->cells[i];
    return NULL;
}

static px_poison_training run_of(const struct byz *b, const char *rule, const char *attack,
                                 unsigned f, bool skewed)
{
    return (px_poison_training){.size = sizeof(px_poison_training),
                                .rule = rule,
                                .attack = attack,
                                .workers = b->n,
                                .liars = f,
                                .rounds = b->rounds,
                                .skewed = skewed};
}

static void want(struct byz *b, px_poison_training run, unsigned seeds)
{
    struct cell *c = find(b, &run);
    if (!c && b->cell_count == MOST_CELLS)
        return;
    if (!c)
        c = &b->cells[b->cell_count++];
    c->run = run;
    c->seeds = seeds > c->seeds ? seeds : c->seeds;
}

static void want_attacks(struct byz *b, const char *rule, unsigned f, bool skewed, unsigned seeds)
{
    for (unsigned i = 0; f && i < ATTACKS; i++)
        want(b, run_of(b, rule, px_poison_attack(i), f, skewed), seeds);
}

/* Of the settings that have one line: attacks that ruin one rule or another. */
static const char *const strong[] = {"flip x10", "IPM 0.5", "3.4 sigma", "slow ramp"};
enum { STRONG = sizeof strong / sizeof *strong };

static void want_line(struct byz *b, unsigned f, bool skewed)
{
    for (unsigned r = 0; r < RULES; r++) {
        if (!f)
            want(b, run_of(b, px_poison_rule(r), "none", 0, skewed), 1);
        for (unsigned i = 0; f && i < STRONG; i++)
            want(b, run_of(b, px_poison_rule(r), strong[i], f, skewed), 1);
    }
}

static px_poison_training kernel_run(const struct byz *b, unsigned rule, const char *attack)
{
    px_poison_training run = run_of(b, in_kernel[rule], attack, b->fifth, false);
    run.kernel = 1;
    return run;
}

static void want_kernel(struct byz *b)
{
    for (unsigned r = 0; r < IN_KERNEL; r++)
        for (unsigned i = 0; b->kernel && b->fifth && i < ATTACKS; i++)
            want(b, kernel_run(b, r, px_poison_attack(i)), 1);
}

static void want_all(struct byz *b)
{
    px_poison_training exact = run_of(b, "nnm+trim", "flip x1", b->fifth, false);
    want(b, run_of(b, "mean", "none", 0, false), b->seeds);
    want(b, run_of(b, "clip1", "none", 0, false), b->seeds);
    want(b, run_of(b, "nnm+trim", "none", 0, false), b->seeds);
    want(b, run_of(b, "mean", "none", 0, true), b->seeds);
    want_attacks(b, "clip1", b->fifth, false, b->seeds);
    want_attacks(b, "nnm+trim", b->fifth, false, b->seeds);
    want_attacks(b, "nnm+trim", b->most, false, b->seeds);
    want_attacks(b, "root", b->fifth, true, b->seeds);
    exact.exact = 1;
    if (b->fifth)
        want(b, exact, b->seeds);
    exact = run_of(b, "nnm+trim", "none", 0, false);
    exact.exact = 1;
    want(b, exact, b->seeds); /* without attackers it is the mean, in floats */
    for (unsigned r = 0; r < RULES; r++)
        want_attacks(b, px_poison_rule(r), b->fifth, false, 1);
    want_kernel(b);
    for (unsigned i = 0; i < b->f_count; i++) {
        if (b->f[i] != b->fifth)
            want_line(b, b->f[i], false);
        if (!b->f[i] || b->f[i] >= b->fifth)
            want_line(b, b->f[i], true);
    }
}

static void make_runs(struct byz *b)
{
    for (unsigned i = 0; i < b->cell_count; i++) {
        b->cells[i].first = b->run_count;
        b->run_count += b->cells[i].seeds;
    }
    b->runs = must(calloc(b->run_count, sizeof *b->runs));
    for (unsigned i = 0; i < b->cell_count; i++)
        for (unsigned s = 0; s < b->cells[i].seeds; s++) {
            struct training *r = &b->runs[b->cells[i].first + s];
            r->run = b->cells[i].run;
            r->seed = s;
        }
}

/* ---------------------------------------------------------------- threads */

static void *work(void *of)
{
    struct byz *b = of;
    for (unsigned i; (i = atomic_fetch_add(&b->next, 1)) < b->run_count;) {
        struct training *r = &b->runs[i];
        r->e = px_poison_train(&r->run, b->data[r->seed], &r->accuracy);
        atomic_fetch_add(&b->done, 1);
    }
    return NULL;
}

static void train_all(struct byz *b)
{
    struct progress p;
    pthread_t *threads = must(calloc(b->threads, sizeof *threads));
    unsigned made = 0;
    progress_begin(&p, b->c, "training", "models", b->run_count);
    while (made < b->threads && pthread_create(&threads[made], NULL, work, b) == 0)
        made++;
    while (made && atomic_load(&b->done) < b->run_count) {
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
        progress_set(&p, atomic_load(&b->done));
    }
    if (!made)
        work(b);
    for (unsigned i = 0; i < made; i++)
        pthread_join(threads[i], NULL);
    progress_end(&p);
    free(threads);
    for (unsigned i = 0; i < b->cell_count; i++) {
        struct cell *c = &b->cells[i];
        c->worst = 100;
        for (unsigned s = 0; s < c->seeds; s++) {
            double is = b->runs[c->first + s].accuracy;
            c->accuracy += is / c->seeds;
            c->worst = is < c->worst ? is : c->worst;
        }
    }
}

/* ------------------------------------------------------------------ marks */

static double value_of(struct byz *b, const px_poison_training *run)
{
    const struct cell *c = find(b, run);
    return c ? c->accuracy : 0;
}

static void judge(struct byz *b, const char *what, const char *where, double value, double bound)
{
    struct mark *m = &b->marks[b->mark_count];
    if (b->mark_count == MARKS)
        return;
    b->mark_count++;
    snprintf(m->what, sizeof m->what, "%s", what);
    snprintf(m->where, sizeof m->where, "%s", where);
    m->value = value;
    m->bound = bound;
    m->pass = value <= bound;
}

/* What is lost under the worst attack. */
static void judge_attacks(struct byz *b, const char *rule, unsigned f, bool skewed, double bound)
{
    char what[160];
    const char *where = "";
    double lost = -100, clean = skewed ? b->clean_skewed : b->clean;
    if (!f)
        return;
    for (unsigned i = 0; i < ATTACKS; i++) {
        px_poison_training run = run_of(b, rule, px_poison_attack(i), f, skewed);
        double is = clean - value_of(b, &run);
        where = is > lost ? px_poison_attack(i) : where;
        lost = is > lost ? is : lost;
    }
    snprintf(what, sizeof what, "%s, %u of %u: %s loses under every attack",
             skewed ? "skewed" : "iid", f, b->n, rule);
    judge(b, what, where, lost, bound);
}

static double far(double a, double b)
{
    return a < b ? b - a : a - b;
}

/* The accuracy that the first seed has. */
static double first_of(struct byz *b, const px_poison_training *run)
{
    const struct cell *c = find(b, run);
    return c ? b->runs[c->first].accuracy : 0;
}

/* What the kernel adds is what user space adds, so the same model comes of it. */
static void judge_kernel(struct byz *b)
{
    for (unsigned r = 0; b->kernel && b->fifth && r < IN_KERNEL; r++) {
        char what[160];
        const char *where = "";
        double most = 0;
        for (unsigned i = 0; i < ATTACKS; i++) {
            px_poison_training run = kernel_run(b, r, px_poison_attack(i)), slots = run;
            slots.kernel = 0;
            double is = far(first_of(b, &run), first_of(b, &slots));
            where = is > most ? px_poison_attack(i) : where;
            most = is > most ? is : most;
        }
        snprintf(what, sizeof what, "kernel and user space differ, %s", in_kernel[r]);
        judge(b, what, where, most, 0);
    }
}

static void judge_all(struct byz *b)
{
    px_poison_training mean = run_of(b, "mean", "none", 0, false), exact, again;
    px_poison_training clip1 = run_of(b, "clip1", "none", 0, false);
    px_poison_training skewed = run_of(b, "mean", "none", 0, true);
    b->clean = value_of(b, &mean);
    b->clean_skewed = value_of(b, &skewed);
    judge(b, "iid, nobody lies: clip1 loses to the mean", "", b->clean - value_of(b, &clip1), 0.5);
    judge_attacks(b, "clip1", b->fifth, false, 2);
    judge_attacks(b, "nnm+trim", b->fifth, false, 2);
    if (b->most > b->fifth)
        judge_attacks(b, "nnm+trim", b->most, false, 4);
    judge_attacks(b, "root", b->fifth, true, 5);
    exact = run_of(b, "nnm+trim", "none", 0, false);
    exact.exact = 1;
    judge(b, "16 bits and floats differ, mean", "", far(value_of(b, &exact), b->clean), 0.3);
    exact.liars = b->fifth;
    exact.attack = "flip x1";
    again = exact;
    again.exact = 0;
    if (b->fifth)
        judge(b, "16 bits and floats differ, nnm+trim", "flip x1",
              far(value_of(b, &exact), value_of(b, &again)), 0.3);
    judge(b, "the same training twice differs", "",
          far(b->again.accuracy, b->runs[find(b, &clip1)->first].accuracy), 0);
    judge_kernel(b);
}

/* A few rounds say how it works, not how good it is. */
static bool is_judged(const struct byz *b)
{
    return b->rounds >= ROUNDS;
}

static bool passes(const struct byz *b)
{
    bool all = true;
    for (unsigned i = 0; i < b->mark_count; i++)
        all &= b->marks[i].pass;
    return all || !is_judged(b);
}

/* ----------------------------------------------------------------- output */

static const char *short_name(unsigned rule)
{
    const char *name = px_poison_rule(rule);
    return strcmp(name, "multi-krum") == 0 ? "m-krum" : name;
}

static void put_names(const char *title, bool kernel)
{
    printf("\n%s%-20s", ink(1), title);
    for (unsigned r = 0; r < RULES; r++)
        printf(" %8s", short_name(r));
    for (unsigned r = 0; kernel && r < IN_KERNEL; r++)
        printf("  kernel %s", in_kernel[r]);
    printf("%s\n", ink(0));
}

/* A figure; red when the attack has cost more than four points. */
static void put_cell(const struct cell *c, double clean, unsigned most)
{
    char text[16] = "";
    bool lost = c && c->accuracy < clean - 4;
    if (c)
        snprintf(text, sizeof text, "%.1f%s", c->accuracy,
                 c->seeds > 1 && c->seeds == most ? "*" : "");
    printf("%s %8s%s", lost ? ink(31) : "", text, lost ? ink(0) : "");
}

static void put_table(struct byz *b)
{
    char title[64];
    snprintf(title, sizeof title, "iid, %u of %u lie", b->fifth, b->n);
    put_names(title, b->kernel);
    for (unsigned i = 0; b->fifth && i < ATTACKS; i++) {
        printf("%-20s", px_poison_attack(i));
        for (unsigned r = 0; r < RULES; r++) {
            px_poison_training run =
                run_of(b, px_poison_rule(r), px_poison_attack(i), b->fifth, false);
            put_cell(find(b, &run), b->clean, b->seeds);
        }
        for (unsigned r = 0; b->kernel && r < IN_KERNEL; r++) {
            px_poison_training run = kernel_run(b, r, px_poison_attack(i));
            printf("%*s", (int)strlen(in_kernel[r]), "");
            put_cell(find(b, &run), b->clean, b->seeds);
        }
        putchar('\n');
    }
}

/* The worst of the strong attacks, rule by rule. */
static void put_line(struct byz *b, unsigned f, bool skewed)
{
    double clean = skewed ? b->clean_skewed : b->clean;
    char title[32];
    snprintf(title, sizeof title, "%s, %u of %u", skewed ? "skewed" : "iid", f, b->n);
    printf("%-20s", title);
    for (unsigned r = 0; r < RULES; r++) {
        struct cell worst = {.accuracy = 101};
        for (unsigned i = 0; i < STRONG; i++) {
            px_poison_training run =
                run_of(b, px_poison_rule(r), f ? strong[i] : "none", f, skewed);
            const struct cell *c = find(b, &run);
            if (c && c->accuracy < worst.accuracy)
                worst = *c;
        }
        put_cell(&worst, clean, b->seeds);
    }
    putchar('\n');
}

static void put_marks(const struct byz *b)
{
    printf("\n%spoints of accuracy%62s  at most%s\n", ink(1), "", ink(0));
    for (unsigned i = 0; i < b->mark_count; i++) {
        const struct mark *m = &b->marks[i];
        const char *verdict = !is_judged(b) ? "" : m->pass ? "pass" : "FAIL";
        printf("%-50s %-14s %14.2f %8.1f  %s%s%s\n", m->what, m->where, m->value, m->bound,
               ink(m->pass ? 32 : 31), verdict, ink(0));
    }
    if (!is_judged(b))
        printf("not judged: fewer than %d rounds\n", ROUNDS);
}

static void put_tables(struct byz *b, double seconds)
{
    printf("accuracy in %% of %u workers after %u rounds; without attackers %.1f with iid data, "
           "%.1f with skewed\n*: mean of %u seeds, others of the first; red: more than 4 points "
           "lost\n",
           b->n, b->rounds, b->clean, b->clean_skewed, b->seeds);
    if (b->fifth)
        put_table(b);
    put_names("the worst attack", false);
    for (unsigned i = 0; i < b->f_count; i++)
        put_line(b, b->f[i], false);
    for (unsigned i = 0; i < b->f_count; i++)
        if (!b->f[i] || b->f[i] >= b->fifth)
            put_line(b, b->f[i], true);
    put_marks(b);
    printf("\n%u trainings in %.0f s on %u threads\n", b->run_count, seconds, b->threads);
}

static json_t *cell_json(const struct cell *c)
{
    json_t *o = json_object();
    json_object_set_new(o, "rule", json_text(c->run.rule));
    json_object_set_new(o, "attack", json_text(c->run.attack));
    json_object_set_new(o, "f", json_integer(c->run.liars));
    json_object_set_new(o, "data", json_text(c->run.skewed ? "skewed" : "iid"));
    json_object_set_new(o, "values", json_text(c->run.exact ? "f32" : "i16"));
    json_object_set_new(o, "path", json_text(c->run.kernel ? "kernel" : "user"));
    json_object_set_new(o, "seeds", json_integer(c->seeds));
    json_object_set_new(o, "accuracy", json_number(c->accuracy));
    json_object_set_new(o, "worst", json_number(c->worst));
    return o;
}

static int put_json(const struct byz *b, int rc)
{
    json_t *doc = doc_new(b->c), *rows = json_array(), *marks = json_array();
    for (unsigned i = 0; i < b->cell_count; i++)
        json_array_append_new(rows, cell_json(&b->cells[i]));
    for (unsigned i = 0; i < b->mark_count; i++) {
        json_t *o = json_object();
        json_object_set_new(o, "name", json_text(b->marks[i].what));
        json_object_set_new(o, "attack", json_text(b->marks[i].where));
        json_object_set_new(o, "value", json_number(b->marks[i].value));
        json_object_set_new(o, "bound", json_number(b->marks[i].bound));
        json_object_set_new(o, "pass", json_boolean(b->marks[i].pass));
        json_array_append_new(marks, o);
    }
    json_object_set_new(doc, "scenario", json_text("byzantine"));
    json_object_set_new(doc, "workers", json_integer(b->n));
    json_object_set_new(doc, "rounds", json_integer(b->rounds));
    json_object_set_new(doc, "rows", rows);
    json_object_set_new(doc, "judged", json_boolean(is_judged(b)));
    json_object_set_new(doc, "marks", marks);
    json_object_set_new(doc, "machine", machine_json());
    return doc_print(doc, rc);
}

/* ------------------------------------------------------------------- verb */

/* The list of --f; 0 or an exit code. */
static int read_f(struct byz *b)
{
    const char *text = opt_text(b->c, OPT_LIARS), *p = text;
    do {
        char *end;
        unsigned long f = strtoul(p, &end, 10);
        if (end == p || (*end && *end != ',') || 2 * f >= b->n || b->f_count == MOST_F)
            return usage("write numbers below half of --n, such as 0,2,4", "--f %s", text);
        b->f[b->f_count++] = (unsigned)f;
        if (5 * f <= b->n && f > b->fifth)
            b->fifth = (unsigned)f;
        if (5 * f <= 2 * b->n && f > b->most)
            b->most = (unsigned)f;
        p = *end ? end + 1 : end;
    } while (*p);
    return 0;
}

/* Whether the kernel takes the program; else a line says why its rows are missing. */
static bool has_kernel(struct byz *b)
{
    px_poison_training run = run_of(b, "clip1", "none", 0, false);
    double accuracy;
    run.kernel = 1;
    run.rounds = 1;
    px_err e = px_poison_train(&run, b->data[0], &accuracy);
    if (e == PX_ERR_OK)
        return true;
    note(b->c, "no rows of the kernel: %s",
         e == PX_ERR_PERMISSION ? "it refuses BPF without CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN"
                                : "this build or this kernel has no BPF");
    return false;
}

/* Memory, data, trainings; 0 or an exit code. */
static int measure(struct byz *b)
{
    b->cells = must(calloc(MOST_CELLS, sizeof *b->cells));
    b->data = must(calloc(b->seeds, sizeof(px_poison_data *)));
    for (unsigned s = 0; s < b->seeds; s++)
        b->data[s] = must(px_poison_data_new(s + 1));
    b->kernel = has_kernel(b);
    want_all(b);
    make_runs(b);
    train_all(b);
    b->again = (struct training){.run = run_of(b, "clip1", "none", 0, false)};
    b->again.e = px_poison_train(&b->again.run, b->data[0], &b->again.accuracy);
    for (unsigned i = 0; i < b->run_count; i++)
        if (b->runs[i].e != PX_ERR_OK)
            return fail(b->runs[i].e, "training", NULL);
    return 0;
}

int verb_bench_byzantine(struct cli *c)
{
    struct byz b = {.c = c,
                    .n = (unsigned)opt_uint(c, OPT_WORKERS),
                    .seeds = (unsigned)opt_uint(c, OPT_SEEDS),
                    .rounds = (unsigned)opt_uint(c, OPT_ROUNDS),
                    .threads = (unsigned)opt_uint(c, OPT_THREADS)};
    double start = now_s();
    int rc = read_f(&b);
    if (rc)
        return rc;
    if (!b.threads)
        b.threads = (unsigned)machine_processors();
    rc = measure(&b);
    if (rc == 0) {
        judge_all(&b);
        rc = passes(&b) ? 0 : 1;
        if (opt_on(c, OPT_JSON))
            rc = put_json(&b, rc);
        else
            put_tables(&b, now_s() - start);
    }
    for (unsigned s = 0; s < b.seeds; s++)
        px_poison_data_free(b.data[s]);
    free(b.data);
    free(b.cells);
    free(b.runs);
    return rc;
}
