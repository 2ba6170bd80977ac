/* A virtual Edge TPU: an external TFLite delegate that stands in for libedgetpu in tests.
 *
 * It claims every "edgetpu-custom-op" node of a model and hands its tensors to a function of the
 * test, which computes them on the CPU. Like the real library it takes the options of
 * `edgetpu_create_delegate` alone ("device"); what makes it virtual comes from the environment,
 * read whenever a delegate is created:
 *
 *   VIRTUAL_EDGETPU_CALLBACK    address of the function (see Callback below)
 *   VIRTUAL_EDGETPU_DEVICES     names that are plugged in, between commas: "usb:0,pci:0"
 *   VIRTUAL_EDGETPU_LATENCY_US  how long every call takes at least, in microseconds
 *   VIRTUAL_EDGETPU_FAIL_AFTER  how many calls succeed before all others fail
 *   VIRTUAL_EDGETPU_GONE_FILE   while this file exists, the device is unplugged
 *
 * Build: gcc -shared -fPIC -O2 -Wall -Wextra -o libvirtualedgetpu.so virtual_edgetpu.c
 *
 * No wheel brings TFLite's C headers, so the few structs needed are declared here as
 * tensorflow/lite/core/c/common.h lays them out. The layout is part of TFLite's C ABI.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- TFLite's C ABI ------------------------------------------------------------------------ */

enum { OK = 0, ERROR = 1 };

typedef struct {
  int size;
  int data[];
} IntArray;

typedef struct {
  int type;
  void *data;
  IntArray *dims;
  struct {
    float scale;
    int32_t zero_point;
  } params;
  int allocation_type;
  size_t bytes;
  const void *allocation;
  const char *name;
  void *delegate;
  int buffer_handle;
  bool data_is_stale, is_variable;
  struct {
    int type;
    void *params;
  } quantization;
  void *sparsity;
  const IntArray *dims_signature;
} Tensor;
_Static_assert(sizeof(void *) != 8 || sizeof(Tensor) == 112, "TfLiteTensor has another layout");

typedef struct Context Context;
typedef struct Delegate Delegate;

typedef struct {
  IntArray *inputs, *outputs, *intermediates, *temporaries;
  void *user_data, *builtin_data;
  const void *custom_initial_data;
  int custom_initial_data_size;
  Delegate *delegate;
  bool might_have_side_effect;
} Node;

typedef struct Registration {
  void *(*init)(Context *, const char *buffer, size_t length);
  void (*free)(Context *, void *);
  int (*prepare)(Context *, Node *);
  int (*invoke)(Context *, Node *);
  const char *(*profiling_string)(const Context *, const Node *);
  int32_t builtin_code;
  const char *custom_name;
  int version;
  void *registration_external;
  void *(*async_kernel)(Context *, Node *);
  uint64_t inplace_operator;
} Registration;

struct Context {
  size_t tensors_size;
  int (*get_execution_plan)(Context *, IntArray **);
  Tensor *tensors;
  void *impl;
  int (*resize_tensor)(Context *, Tensor *, IntArray *);
  void (*report_error)(Context *, const char *format, ...);
  int (*add_tensors)(Context *, int, int *);
  int (*get_node_and_registration)(Context *, int node, Node **, Registration **);
  int (*replace_with_kernels)(Context *, Registration, const IntArray *nodes, Delegate *);
  /* more members follow in TFLite; none is used here */
};

struct Delegate {
  void *data;
  int (*prepare)(Context *, Delegate *);
  void *copy_from_buffer, *copy_to_buffer, *free_buffer;
  int64_t flags;
  void *opaque_delegate_builder;
};
/* Without kTfLiteDelegateFlagsAllowDynamicTensors the runtime prepares the unresolved custom
 * operator before it asks the delegate, and fails. */
enum { ALLOW_DYNAMIC_TENSORS = 1 };

typedef struct {
  Delegate *delegate;
  IntArray *nodes, *inputs, *outputs;
} KernelParams;

/* ---- The device ---------------------------------------------------------------------------- */

enum { MOST_TENSORS = 64, MOST_DEVICES_TEXT = 256, MOST_PATH = 4096 };

/* Computes one node: reads `inputs`, writes `outputs`; the sizes are in bytes. 0 is success. */
typedef int (*Callback)(int n_inputs, void **inputs, size_t *input_bytes, int n_outputs,
                        void **outputs, size_t *output_bytes);

typedef struct {
  Delegate delegate;
  Callback callback;
  long latency_us;
  long calls_left; /* negative: without end */
  char gone_file[MOST_PATH];
} Device;

typedef struct {
  Device *device;
  IntArray *inputs, *outputs;
} Kernel;

static IntArray *copy(const IntArray *array) {
  size_t bytes = sizeof(IntArray) + sizeof(int) * (size_t)array->size;
  IntArray *made = malloc(bytes);
  memcpy(made, array, bytes);
  return made;
}

static bool is_gone(const Device *device) {
  return device->gone_file[0] && access(device->gone_file, F_OK) == 0;
}

static void wait_us(long microseconds) {
  struct timespec pause = {microseconds / 1000000, (microseconds % 1000000) * 1000};
  nanosleep(&pause, NULL);
}

/* ---- The kernel that takes the place of every compiled node -------------------------------- */

static void *kernel_init(Context *context, const char *buffer, size_t length) {
  (void)context, (void)length;
  const KernelParams *params = (const KernelParams *)buffer;
  Kernel *kernel = calloc(1, sizeof *kernel);
  kernel->device = params->delegate->data;
  kernel->inputs = copy(params->inputs);
  kernel->outputs = copy(params->outputs);
  return kernel;
}

static void kernel_free(Context *context, void *data) {
  (void)context;
  Kernel *kernel = data;
  free(kernel->inputs);
  free(kernel->outputs);
  free(kernel);
}

static int kernel_prepare(Context *context, Node *node) {
  (void)context, (void)node;
  return OK;
}

/* Collects where tensors lie; returns how many. An optional tensor that is left out is -1. */
static int gather(const Context *context, const IntArray *indices, void **data, size_t *bytes) {
  int count = 0;
  for (int i = 0; i < indices->size && count < MOST_TENSORS; i++) {
    if (indices->data[i] < 0) continue;
    const Tensor *tensor = &context->tensors[indices->data[i]];
    data[count] = tensor->data;
    bytes[count++] = tensor->bytes;
  }
  return count;
}

static int kernel_invoke(Context *context, Node *node) {
  Kernel *kernel = node->user_data;
  Device *device = kernel->device;
  if (is_gone(device) || device->calls_left == 0) {
    context->report_error(context, "virtual Edge TPU: the device does not answer. ");
    return ERROR;
  }
  if (device->calls_left > 0) device->calls_left--;
  void *inputs[MOST_TENSORS], *outputs[MOST_TENSORS];
  size_t input_bytes[MOST_TENSORS], output_bytes[MOST_TENSORS];
  int n_inputs = gather(context, kernel->inputs, inputs, input_bytes);
  int n_outputs = gather(context, kernel->outputs, outputs, output_bytes);
  if (device->latency_us > 0) wait_us(device->latency_us);
  if (device->callback(n_inputs, inputs, input_bytes, n_outputs, outputs, output_bytes) != 0) {
    context->report_error(context, "virtual Edge TPU: the twin model failed. ");
    return ERROR;
  }
  return OK;
}

/* ---- The delegate -------------------------------------------------------------------------- */

static int claim(Context *context, Delegate *delegate) {
  IntArray *plan;
  if (context->get_execution_plan(context, &plan) != OK) return ERROR;
  IntArray *nodes = copy(plan); /* the runtime may free `plan` meanwhile */
  IntArray *chosen = copy(plan);
  chosen->size = 0;
  int status = OK;
  for (int i = 0; i < nodes->size && status == OK; i++) {
    Node *node;
    Registration *operator;
    status = context->get_node_and_registration(context, nodes->data[i], &node, &operator);
    if (status == OK && operator->custom_name &&
        strcmp(operator->custom_name, "edgetpu-custom-op") == 0)
      chosen->data[chosen->size++] = nodes->data[i];
  }
  Registration kernel = {
      .init = kernel_init,
      .free = kernel_free,
      .prepare = kernel_prepare,
      .invoke = kernel_invoke,
      .custom_name = "VirtualEdgeTpu",
      .version = 1,
  };
  if (status == OK && chosen->size > 0)
    status = context->replace_with_kernels(context, kernel, chosen, delegate);
  free(nodes);
  free(chosen);
  return status;
}

/* Tells whether `wanted` names one of the plugged-in devices. libedgetpu understands "" (any),
 * ":N" (the Nth of all), "usb" and "pci" (any on that bus), "usb:N" and "pci:N". */
static bool is_plugged_in(const char *wanted) {
  const char *given = getenv("VIRTUAL_EDGETPU_DEVICES");
  char names[MOST_DEVICES_TEXT];
  snprintf(names, sizeof names, "%s", given ? given : "usb:0");
  int number = 0;
  for (char *name = strtok(names, ","); name; name = strtok(NULL, ","), number++) {
    char nth[16];
    snprintf(nth, sizeof nth, ":%d", number);
    bool bus = strlen(wanted) == 3 && strncmp(wanted, name, 3) == 0;
    if (!*wanted || bus || strcmp(wanted, name) == 0 || strcmp(wanted, nth) == 0) return true;
  }
  return false;
}

static long number_from(const char *variable, long otherwise) {
  const char *value = getenv(variable);
  return value && *value ? atol(value) : otherwise;
}

static void refuse(void (*report)(const char *), const char *what, const char *name) {
  char text[MOST_DEVICES_TEXT];
  snprintf(text, sizeof text, "%s %s", what, name);
  if (report) report(text);
}

__attribute__((visibility("default"))) void *tflite_plugin_create_delegate(
    char **keys, char **values, size_t count, void (*report)(const char *)) {
  const char *wanted = "";
  for (size_t i = 0; i < count; i++) {
    if (strcmp(keys[i], "device") != 0) {
      refuse(report, "unknown option", keys[i]);
      return NULL;
    }
    wanted = values[i];
  }
  Device *device = calloc(1, sizeof *device);
  const char *callback = getenv("VIRTUAL_EDGETPU_CALLBACK");
  const char *gone = getenv("VIRTUAL_EDGETPU_GONE_FILE");
  device->callback = callback ? (Callback)(uintptr_t)strtoull(callback, NULL, 0) : NULL;
  device->latency_us = number_from("VIRTUAL_EDGETPU_LATENCY_US", 0);
  device->calls_left = number_from("VIRTUAL_EDGETPU_FAIL_AFTER", -1);
  snprintf(device->gone_file, sizeof device->gone_file, "%s", gone ? gone : "");
  if (is_gone(device) || !is_plugged_in(wanted) || !device->callback) {
    refuse(report, device->callback ? "no such device" : "no callback for device", wanted);
    free(device);
    return NULL;
  }
  device->delegate.data = device;
  device->delegate.prepare = claim;
  device->delegate.flags = ALLOW_DYNAMIC_TENSORS;
  return &device->delegate;
}

__attribute__((visibility("default"))) void tflite_plugin_destroy_delegate(void *delegate) {
  if (delegate) free(((Delegate *)delegate)->data);
}
