# The images. Their builds need no index: what pip finds here, for this machine's architecture or
# another, is laid into .stack/wheels, in a folder for each.

NATIVE := $(if $(filter aarch64 arm64,$(shell uname -m)),arm64,amd64)
ARCH := $(NATIVE)
BASE := debian:bookworm-slim
# For another architecture: the box that only infers.
IMAGES := $(if $(filter $(NATIVE),$(ARCH)),edge edge-train cloud player broker serve,edge)
TAG := $(if $(filter $(NATIVE),$(ARCH)),latest,$(ARCH))

BUILT := $(addprefix image-,edge edge-train cloud player broker serve)
BASE_OF_edge-train := join-the-dots-edge:$(TAG)
BASE_OF_cloud := join-the-dots-edge-train:$(TAG)
BASE_OF_player := join-the-dots-edge:$(TAG)
BASE_OF_serve := join-the-dots-edge:$(TAG)
DOCKER_BUILD := docker build --quiet --network host --platform linux/$(ARCH) --build-arg ARCH=$(ARCH)

.PHONY: images wheels package $(BUILT)

images: $(addprefix image-,$(IMAGES))  ## Build the images; ARCH=arm64: a box without training, for ARM

image-edge: package
image-edge-train image-player image-serve: image-edge
image-cloud: image-edge-train
$(BUILT): image-%:
	@$(DOCKER_BUILD) --build-arg BASE=$(or $(BASE_OF_$*),$(BASE)) \
	  --tag join-the-dots-$*:$(TAG) --file stacks/$*/Dockerfile .

WHEELS := .stack/wheels/$(ARCH)
MACHINE := $(if $(filter arm64,$(ARCH)),aarch64,x86_64)
PIP := $(BIN)/python -m pip
# Wheels for the Python and the C library of the base, which is Debian 12.
FETCH := $(PIP) download --quiet --constraint constraints.txt --find-links $(WHEELS) --dest $(WHEELS) \
  --only-binary :all: --implementation cp --python-version 3.11 \
  $(foreach minor,$(shell seq 17 36),--platform manylinux_2_$(minor)_$(MACHINE)) \
  --platform manylinux2014_$(MACHINE) --platform linux_$(MACHINE)

package: wheels
	@rm -f $(WHEELS)/join_the_dots-*.whl
	@$(PIP) wheel --quiet --no-deps --wheel-dir $(WHEELS) .

wheels: $(WHEELS)/$(if $(filter-out edge broker serve,$(IMAGES)),.train,.box)

# Made anew where the pins have changed. The named packages are pure Python; antlr4's has no wheel.
$(WHEELS)/.box: $(STAMP) stacks/pip.txt
	@rm -rf $(@D)
	@mkdir -p $(@D)
	@awk '/^[^ ]/ {wanted = /^(antlr4-python3-runtime|seglearn)==/} wanted' hashes.txt \
	  | cat stacks/pip.txt - > $(@D)/first.txt
	@$(PIP) wheel --quiet --no-deps --require-hashes --wheel-dir $(@D) -r $(@D)/first.txt
	@$(PIP) wheel --quiet --no-deps --wheel-dir $(@D) .
	@$(FETCH) $(@D)/join_the_dots-*.whl
	@stacks/check-wheels $(@D) $(BIN)/python
	@touch $@

$(WHEELS)/.train: $(WHEELS)/.box
	@$(FETCH) "$$(echo $(@D)/join_the_dots-*.whl)[train,server]"
	@stacks/check-wheels $(@D) $(BIN)/python
	@touch $@
