"""Every builder behind the door that reads its options, as `striate.build` calls it."""

import inspect
from functools import wraps

from torch import nn

from striate.models import (
    alexnet as alexnets,
)
from striate.models import (
    autoencoder as autoencoders,
)
from striate.models import (
    densenet as densenets,
)
from striate.models import (
    googlenet as googlenets,
)
from striate.models import (
    inception,
    lenet,
    nin,
    preact,
)
from striate.models import (
    resnet as resnets,
)
from striate.models import (
    resnext as resnexts,
)
from striate.models import (
    senet as senets,
)
from striate.models import (
    unet as unets,
)
from striate.models import (
    vgg as vggs,
)
from striate.models import (
    wide_resnet as wide_resnets,
)
from striate.models import (
    zfnet as zfnets,
)
from striate.models.options import call


def behind_the_door(builder):
    @wraps(builder)
    def build(*args: object, **options: object) -> nn.Module:
        return call(builder, dict(zip(inspect.signature(builder).parameters, args, strict=False)) | options)

    return build


alexnet, alexnet_owt, alexnet_cifar10 = map(
    behind_the_door, (alexnets.alexnet, alexnets.alexnet_owt, alexnets.alexnet_cifar10)
)
autoencoder = behind_the_door(autoencoders.autoencoder)
densenet, small_densenet = map(behind_the_door, (densenets.densenet, densenets.small_densenet))
googlenet, googlenet_bn = map(behind_the_door, (googlenets.googlenet, googlenets.googlenet_bn))
inception_v3 = behind_the_door(inception.inception_v3)
lenet5, lenet5_1998 = map(behind_the_door, (lenet.lenet5, lenet.lenet5_1998))
nin_cifar10, nin_imagenet = map(behind_the_door, (nin.nin_cifar10, nin.nin_imagenet))
preact_resnet, small_preact_resnet = map(behind_the_door, (preact.preact_resnet, preact.small_preact_resnet))
resnet, small_resnet = map(behind_the_door, (resnets.resnet, resnets.small_resnet))
resnext, small_resnext = map(behind_the_door, (resnexts.resnext, resnexts.small_resnext))
senet, senet154 = map(behind_the_door, (senets.senet, senets.senet154))
unet, unet_padded, unet_resnet = map(behind_the_door, (unets.unet, unets.unet_padded, unets.unet_resnet))
vgg = behind_the_door(vggs.vgg)
wide_resnet, small_wide_resnet = map(behind_the_door, (wide_resnets.wide_resnet, wide_resnets.small_wide_resnet))
zfnet = behind_the_door(zfnets.zfnet)
